"""Plain-text account books."""

__version__ = "0.4.0"
