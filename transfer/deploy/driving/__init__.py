"""Networks drive the simulated car."""
