"""Foreign images brought into the layout of a data set."""
