"""How many requests came, how they were answered, and how soon."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the histogram."""


class Traffic:
    """The requests of this process since it started.

    By the route's pattern, not by the path: labels must not grow with the number of jobs.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "adaptation_requests",
            "Requests to this process.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "adaptation_request_seconds",
            "Time until an answer began.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one request.

        Args:
            route: the pattern; empty: there is no such route.
            status: 0: the client was gone before it was answered.
            seconds: until the answer began.
        """
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        if status:
            self._seconds.labels(known, route).observe(seconds)
