"""Tasks give arrays: data sets and the lane simulator. No networks here."""
