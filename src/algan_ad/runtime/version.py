"""The version of the package, for floors that may not import its public names."""

__version__ = "0.1.0"
