"""One file per method, one contract."""
