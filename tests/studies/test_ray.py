"""A study on a Ray cluster ends as one on this machine, also where a node is lost in the middle.

The nodes are those of a real cluster on this machine: each has its own raylet and workers.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.study_files import files, results
from transfer.errors import TransferError, UsageError
from transfer.results import read_runs
from transfer.studies.ask import ask, check_where
from transfer.studies.study import perform

ROOT = Path(__file__).parents[2]
REASON = "needs Ray: pip install -r requirements-ray.txt"
LONGEST = 400  # seconds of a study, on a busy machine


@pytest.fixture
def engine():
    pytest.importorskip("ray", reason=REASON)
    from transfer.studies.engines import ray

    return ray


def test_ray_that_is_not_installed_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "transfer.studies.engines.ray", raising=False)
    monkeypatch.delattr("transfer.studies.engines.ray", raising=False)
    with pytest.raises(TransferError, match="needs Ray, which is not installed: make extras$"):
        perform(tmp_path / "study", ask("quick"), engine="ray")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"engine": "dask"}, {"address": "auto"}])
def test_an_engine_or_address_that_makes_no_sense_is_refused(tmp_path, wrong):
    with pytest.raises(UsageError, match="Expected --engine"):
        perform(tmp_path / "study", ask("quick"), **wrong)
    assert list(tmp_path.iterdir()) == []


CPUS = [{"CPU": 4.0}, {"CPU": 2.0}, {"memory": 1.0}]
GPUS = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 2.0}, {"CPU": 64.0}]


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus"),
    [
        (CPUS, None, 0),
        (CPUS, 3, 0),
        (GPUS, None, 1),
        (GPUS, 2, 1),
        (GPUS, 12, 0.3333),  # rounded down: three fit a GPU
        ([{"CPU": 1.0, "GPU": 8.0}], None, 1),
    ],
)
def test_workers_share_the_gpus_of_a_cluster(engine, nodes, workers, gpus):
    assert engine.gpus_a_run(nodes, workers) == gpus


def test_a_cluster_without_a_cpu_is_refused(engine):
    with pytest.raises(TransferError, match="offers CPUs"):
        engine.gpus_a_run([{"GPU": 1.0}, {"CPU": 0.0}], None)
    with pytest.raises(TransferError, match="offers CPUs, 8"):
        engine.gpus_a_run(CPUS, None, threads=8)


def test_a_node_that_sees_another_disk_or_has_other_versions_is_named(engine, tmp_path):
    versions = dict(engine._installed())
    assert "does not see" in engine._unfit(tmp_path, versions)
    (tmp_path / "study.json").write_text("{}")
    assert engine._unfit(tmp_path, versions) is None
    versions["keras"] = "2.2.4"
    assert engine._unfit(tmp_path, versions).endswith(", this command 2.2.4")


@pytest.mark.parametrize("address", ["ray://host:1", "host", ":1", "host:port"])
def test_an_address_of_another_form_is_refused(address):
    with pytest.raises(UsageError, match=f"HOST:PORT or auto. Received: {address}"):
        check_where(None, "ray", address)


@pytest.mark.parametrize("port", [1, 99999999999])
def test_a_cluster_that_is_not_there_is_one_sentence(engine, port):
    with pytest.raises(TransferError, match=f"Cannot use the Ray cluster at 127.0.0.1:{port}: "):
        engine._check_reachable(f"127.0.0.1:{port}")


def command(out, data, *more):
    return [
        *(sys.executable, "-m", "transfer", "study", "--kinds", "baseB,BnB,AnB", "--n", "4"),
        *("--seeds", "0"),
        *("--protocol", "fast", "--epochs", "20", "--batch", "16"),
        *("--input", "32x32", "--data", str(data), "--out", str(out), *more),
    ]


@pytest.fixture(scope="module")
def local(small_data, tmp_path_factory, forker):
    """Folder of the study, done on this machine; one thread a run, as on the clusters."""
    out = tmp_path_factory.mktemp("local") / "study"
    forker.start(command(out, small_data)[3:])
    assert forker.wait() == 0
    return out


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of a head, which does no run, and two nodes of one CPU."""
    pytest.importorskip("ray", reason=REASON)
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 otherwise: slow on a busy machine
    quiet = {"num_cpus": 0, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=quiet)
    made.add_node(num_cpus=1)
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def processes_of(node):
    psutil = pytest.importorskip("psutil")
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [raylet, *raylet.children(recursive=True)]


def owned_by(node, study):
    """The runs whose lock a process of the node holds."""
    psutil = pytest.importorskip("psutil")
    found = set()
    for process in processes_of(node):
        try:
            found |= {
                Path(file.path).stem
                for file in process.open_files()
                if file.path.startswith(f"{study}/working/locks/")
            }
        except psutil.Error:
            continue
    return found


def assert_the_same(study, other):
    expected, found = results(study), results(other)
    assert "models/B4B_s0.weights.h5" in expected
    assert [name for name in expected if found.get(name) != expected[name]] == []
    assert files(other) == files(study)
    assert len(read_runs(other)) == 3


def started(out, data, cluster):
    return subprocess.Popen(
        command(out, data, "--engine", "ray", "--address", cluster.address),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.slow
def test_a_study_that_loses_a_node_ends_as_one_on_this_machine(
    cluster, local, small_data, tmp_path
):
    out = tmp_path / "study"
    process = started(out, small_data, cluster)
    doomed = next(iter(cluster.worker_nodes))
    deadline = time.monotonic() + LONGEST
    lost: set[str] = set()
    while not any((out / "working/checkpoints" / f"{run}.checkpoint").exists() for run in lost):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
        lost = owned_by(doomed, out)
    for one in processes_of(doomed):  # as if its plug were pulled
        one.kill()
    assert not any((out / "working" / "rows" / f"{run}.json").exists() for run in lost)
    errors = process.communicate(timeout=LONGEST)[1]
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert_the_same(local, out)
    print(f"1 node lost with {lost}, 3 rows of 3, 0 bytes that differ")


@pytest.mark.slow
def test_a_cluster_of_its_own_is_started_and_stopped(engine, local, small_data, tmp_path):
    out = tmp_path / "study"
    ended = subprocess.run(
        command(out, small_data, "--engine", "ray"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=LONGEST,
    )
    assert ended.returncode == 0, ended.stderr
    assert "baseB_s0: test" in ended.stderr
    assert_the_same(local, out)


@pytest.mark.slow
def test_an_interrupted_study_on_ray_says_how_to_go_on(cluster, small_data, tmp_path):
    out = tmp_path / "study"
    process = started(out, small_data, cluster)
    deadline = time.monotonic() + LONGEST
    while not (out / "working/logs/baseB_s0.csv").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1].startswith("error: interrupted")
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_cluster_of_this_machine_listens_to_it_alone_and_its_end_is_one_sentence(
    engine, small_data, tmp_path
):
    psutil = pytest.importorskip("psutil")
    out = tmp_path / "study"
    process = subprocess.Popen(
        command(out, small_data, "--engine", "ray", "--epochs", "500"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    deadline = time.monotonic() + LONGEST
    while not (out / "working/logs/baseB_s0.csv").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ours = psutil.Process(process.pid).children(recursive=True)
    addresses = {
        connection.laddr.ip.removeprefix("::ffff:")
        for one in [psutil.Process(process.pid), *ours]
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses <= {"127.0.0.1", "::1"}, addresses
    (raylet,) = [one for one in ours if one.name() == "raylet"]
    raylet.kill()
    errors = process.communicate(timeout=LONGEST)[1]
    assert process.returncode == 1
    assert errors.splitlines()[-1:] == [
        "error: The Ray cluster has no node left. The same command goes on from here once it has."
    ]
    assert len(errors.splitlines()) == 3, errors
