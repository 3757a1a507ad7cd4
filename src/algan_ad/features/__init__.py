"""Frozen backbones and the conditioning of their features."""
