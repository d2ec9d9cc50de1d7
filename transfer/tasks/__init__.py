"""Tasks give arrays: data sets, the lane simulator, the fractal source. Nothing here knows networks."""
