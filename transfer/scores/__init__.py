"""How well the features of every block serve a task, without training."""
