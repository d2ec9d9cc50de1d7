"""``python -m transfer report DIR``: a study on one page that holds everything it shows."""

from transfer.report.write import write_report

__all__ = ["write_report"]
