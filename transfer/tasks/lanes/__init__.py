"""The simulator of lane following: track, camera, driver, data set."""
