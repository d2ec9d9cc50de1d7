"""Studies make rows: one run from its name, many runs in worker processes. No figures here."""
