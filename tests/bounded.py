"""Readers under a limit on the address space: a process of its own for each."""

import subprocess
import sys

from transfer.tasks.imports.recordings import MOST_BYTES

_CODE = """
import resource, sys
from pathlib import Path
from transfer.errors import TransferError
{imports}

path = Path(sys.argv[1])
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    {call}
except TransferError as error:
    print("refused:", error)
"""
_STACKS = 256 << 20  # address space that threads take for their stacks


def under_the_bound(path, imports, call, most=MOST_BYTES):
    """What ``call`` on ``path`` prints in a process with so much more address space."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _CODE.replace("{imports}", imports).replace("{call}", call),
            path,
            str(most + _STACKS),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
