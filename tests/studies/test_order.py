"""Which run a worker is given next."""

import pytest

from transfer.results import working
from transfer.runs import Run, parse_run
from transfer.studies.engines.local import _graph, _next


def names(*given: str) -> list[Run]:
    return [parse_run(name) for name in given]


@pytest.fixture
def next_of(tmp_path):
    def call(pending, costs, done=(), traced=()):
        working(tmp_path, "rows").mkdir(parents=True, exist_ok=True)
        for name in done:
            working(tmp_path, "rows", f"{name}.json").write_text("{}")
        graphs = [_graph(run) for run in names(*traced)]
        runs = names(*pending)
        run = _next(runs, dict(zip(pending, costs, strict=True)), tmp_path, graphs)
        return run.name if run else None

    return call


def test_the_first_is_next(next_of):
    assert next_of(["A1B_s0", "A7B_s0"], [9.0, 5.0]) == "A1B_s0"


def test_a_run_waits_for_what_it_copies_from(next_of):
    assert next_of(["B1B_s0", "A7B_s0"], [9.0, 5.0]) == "A7B_s0"
    assert next_of(["B1B_s0"], [9.0]) is None
    assert next_of(["B1B_s0", "A7B_s0"], [9.0, 5.0], done=["baseB_s0"]) == "B1B_s0"


@pytest.mark.parametrize("traced", ["A7B_s3", "B7B_s0"])
def test_a_traced_graph_goes_before(next_of, traced):
    assert next_of(["A1B_s0", "A7B_s0"], [9.0, 5.0], traced=[traced]) == "A7B_s0"


@pytest.mark.parametrize("traced", ["A7B_legacy_s0", "A7B_f0.5_s0", "A7B+_s0", "sliced-7_s0"])
def test_other_graphs_are_other_graphs(next_of, traced):
    assert next_of(["A1B_s0", "A7B_s0"], [9.0, 5.0], traced=[traced]) == "A1B_s0"


def test_a_much_longer_run_is_not_left_for_the_end(next_of):
    assert next_of(["A1B_s0", "A7B_s0"], [11.0, 5.0], traced=["A7B_s0"]) == "A1B_s0"
