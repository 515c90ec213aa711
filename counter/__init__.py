"""A self-hosted visitor counter: one script tag in, defensible numbers out."""

__version__ = "0.1.0"
