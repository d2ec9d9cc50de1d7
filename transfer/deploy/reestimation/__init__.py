"""BatchNorm statistics estimated anew on unlabelled images."""
