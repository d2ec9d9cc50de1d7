"""One network written to a file for a device, and run there."""
