"""Answers read rows: statistics, figures, verdicts. Nothing here imports TensorFlow."""
