"""Delta keeps the history of your data."""

__version__ = "0.1.0"
