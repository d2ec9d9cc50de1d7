"""Watching a study that runs: its status, TensorBoard."""
