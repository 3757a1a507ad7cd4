"""Anomaly detection that learns from normal examples only."""
__version__ = "0.1.0"
