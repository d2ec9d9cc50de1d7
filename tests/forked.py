"""Commands of the program, forked from one process that has TensorFlow imported but not started.

Each command is a process of its own, and so is each worker of a study, as on the command line. What
is saved is the import of TensorFlow, which takes longer than most commands of a test. Workers of a
command that has started TensorFlow itself are spawned, as usual.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FORK = """
import json, multiprocessing, os, sys, traceback
import matplotlib.pyplot, pandas, scipy.stats, tensorflow
import transfer.studies.execute, transfer.training.loop
from tensorflow.python.eager.context import context
from transfer.cli import main

def context_of_workers(method):
    return contexts[method if context()._context_handle else "fork"]

sys.argv = ["transfer/__main__.py"]
contexts = {method: multiprocessing.get_context(method) for method in ("fork", "spawn")}
multiprocessing.get_context = context_of_workers
for line in sys.stdin:  # one line a command
    arguments, folder, *streams = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 0
        try:
            os.setpgid(0, 0)
            os.chdir(folder)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for number, path in enumerate(streams, 1):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
            main(arguments)
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
            code = 99
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forker:
    """The process that commands are forked from, one after another."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"},
        )

    def start(self, arguments, folder=ROOT, out=os.devnull, errors=os.devnull) -> int:
        """Start a command in ``folder``; returns the number of its process and of its group."""
        line = [list(map(str, arguments)), *map(str, (folder, out, errors))]
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def wait(self) -> int:
        """Exit code of the command that was started last, negative for a signal."""
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=300)
