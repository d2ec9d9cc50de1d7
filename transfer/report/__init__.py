"""``python -m transfer report DIR``: a study on one page that opens from disk, in any browser.

The page holds everything it shows: charts, images, and the script that draws the charts
(plotly.js, the basic bundle). Its content security policy forbids it to fetch anything.
"""

from transfer.report.write import write_report

__all__ = ["write_report"]
