"""The command line. Each command is a module that is imported only when it is called."""

from __future__ import annotations

from adaptation.cli.app import main

__all__ = ["main"]
