"""The errors a person may meet. The command line prints them as one line, never a traceback."""


class TransferError(Exception):
    """The input or the data are at fault (exit code 1); raised by all that reads or checks.

    The message is one sentence: what was expected, what was received, what to do.
    """


class RunsFailed(TransferError):
    """Runs of a study failed; what could be done is done."""


class UsageError(TransferError):
    """The command line is at fault (exit code 2)."""
