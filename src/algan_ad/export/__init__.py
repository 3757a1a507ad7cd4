"""A fitted detector as an ONNX network: `graph.py` makes it, `check.py` refuses one that scores otherwise; `quantise.py`."""
