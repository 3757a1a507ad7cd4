"""Metrics with intervals, and the result of an evaluation. numpy and scikit-learn only."""
