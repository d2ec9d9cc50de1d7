"""Where the runs of a study are done: on this machine or on a Ray cluster."""
