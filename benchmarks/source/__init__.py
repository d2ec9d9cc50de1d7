"""The source task of drawn fractals, and how the shipped weights of baseA were trained on it."""
