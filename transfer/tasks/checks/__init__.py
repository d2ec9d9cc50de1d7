"""What may be wrong with a data set: layout, leakage, soundness."""
