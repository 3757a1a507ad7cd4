"""The machinery that several methods share: the contract first (`contract.py`), then a file for each kind of method."""
