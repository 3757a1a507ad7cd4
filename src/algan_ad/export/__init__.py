"""A fitted detector as an ONNX network: `graph.py` makes it, `check.py` refuses one that scores otherwise,
and `quantise.py` makes it one of 8-bit integers.
"""
