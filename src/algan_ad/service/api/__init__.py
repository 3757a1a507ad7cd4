"""The station over HTTP: one file for each group of addresses, `app.py` puts them together."""
