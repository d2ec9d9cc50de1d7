"""Training turns arrays and variables into a row. Nothing here knows studies."""
