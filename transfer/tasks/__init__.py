"""Tasks give arrays: data sets, the lane simulator, the fractal source. No networks here."""
