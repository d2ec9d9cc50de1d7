"""What networks cost on a device: time, bytes, multiply-adds."""
