"""Headway: one thread from a git commit to production, and back."""

__version__ = "0.1.0"
