"""``python -m transfer report DIR``: a study on one page that holds everything it shows."""
