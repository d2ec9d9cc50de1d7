"""Figures of a study, drawn from its tables. No TensorFlow here."""
