"""How much of a pretrained network does an image task need?

In Python::

    import transfer

    data = transfer.load_data("data/mytub")
    model = transfer.network("A5B", data)                  # a keras.Model, five blocks frozen
    model, history, row = transfer.train("A5B", data)      # trained as in a study
    runs = transfer.study("experiments-results/mytub", data, n="4,8,12")
    print(transfer.verdict("experiments-results/mytub"))

From a terminal: ``python -m transfer --help``. The rooms of the package stand in
``docs/explanation.md``; a room imports only from rooms below it.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer.api import load_data, network, plot, read_study, study, train, verdict

__version__ = "0.2.0"
__all__ = ["load_data", "network", "plot", "read_study", "study", "train", "verdict"]


def __getattr__(name: str) -> object:
    """Import the public functions when the first of them is used: TensorFlow takes seconds."""
    if name in __all__:
        return getattr(importlib.import_module("transfer.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
