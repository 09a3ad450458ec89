"""How many callbacks may be under way at a time, so that none fill the room of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit


class UnderWay:
    """How many more may be under way: all in all, for an address, and for a host behind many."""

    def __init__(self, limit: int, per_url: int, per_origin: int, busy: Mapping[str, int]) -> None:
        self.left = limit
        self._per_url, self._per_origin = per_url, per_origin
        self._of_url = Counter(busy)
        self._of_origin = Counter[str]()
        for url, number in busy.items():
            self._of_origin[origin_of(url)] += number

    def of(self, url: str) -> int:
        """For an address; 0 or less: nothing more."""
        of_origin = self._per_origin - self._of_origin[origin_of(url)]
        return min(self.left, self._per_url - self._of_url[url], of_origin)

    def take(self, url: str, number: int) -> None:
        """Let so many be under way."""
        self.left -= number
        self._of_url[url] += number
        self._of_origin[origin_of(url)] += number


@lru_cache(10_000)
def origin_of(url: str) -> str:
    """Scheme, host and port of an address: who has to answer, whatever the path."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}"
