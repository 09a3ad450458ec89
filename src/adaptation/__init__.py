"""Adaptation: a durable task engine for video on demand."""

__version__ = "0.1.0"
