"""Headings of the tables that the local and the remote command line print alike."""

from __future__ import annotations

CALLBACKS = ("callback", "event", "task", "state", "tries", "answer", "next try", "end point")
END_POINTS = ("client", "state", "since", "waiting", "next try", "answer", "end point")
