"""What one client may use at most: the limits there are, read from words, and which is in force.

A client's own limit comes before the operator's, which is meant for every client; None is no limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from adaptation.errors import ParameterError

Value = int | list[str] | None
"""Of a limit: bytes, seconds, pixels or a count; networks or hosts; None: as much as it likes."""
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b\s*", re.IGNORECASE)
"""A number and its unit: decimal as in 20GB, binary as in 20GiB."""
LENGTH = re.compile(r"(\d{1,9})\s*([smhd]?)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
SHAPE = re.compile(r"(\d{1,6})\s*x\s*(\d{1,6})")
HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_.])?")
STORAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}")
UNLIMITED = frozenset({"unlimited", "none"})
MOST_NUMBER = 2**62
MOST_LISTED = 100


def size_bytes(text: object) -> int:
    """Bytes from words such as `20GB` or `500 MiB`; `0` and nothing are 0.

    Raises:
        ValueError: it is something else, such as a number without a unit.
    """
    words = str(text).strip()
    if words in {"", "0"}:
        return 0
    found = SIZE.fullmatch(words)
    if found is None:
        raise ValueError(f"{words!r} is no size with a unit, such as 20GB or 500MiB")
    number, prefix, is_binary = found.groups()
    power = " kmgt".index(prefix.lower() or " ")
    return int(float(number) * (1024 if is_binary else 1000) ** power)


def length_seconds(words: str) -> int:
    """Seconds from words such as `90`, `90m` or `2h`.

    Raises:
        ValueError: they are none.
    """
    found = LENGTH.fullmatch(words)
    if found is None:
        raise ValueError(f"{words!r} is no length of time, such as 5400, 90m or 2h")
    return int(found[1]) * UNITS[found[2]]


def area_pixels(words: str) -> int:
    """Pixels from words such as `1920x1080` or `2073600`.

    Raises:
        ValueError: they are none.
    """
    found = SHAPE.fullmatch(words)
    return int(found[1]) * int(found[2]) if found else int(words)


@dataclass(frozen=True)
class Limit:
    """A limit there is."""

    name: str
    """As `--limit` and `GET /settings` have it."""
    meaning: str
    """What it limits, with its unit."""
    example: str
    """A value in words."""
    read: Callable[[str], int | list[str]] = int
    """Gives a value from words; raises ValueError."""
    least: int = 1
    most: int = MOST_NUMBER

    def checked(self, value: object) -> Value:
        """A value as it is stored.

        Raises:
            ParameterError: `client_invalid`.
        """
        if value is None:
            return None
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and self.least <= int(str(value)) <= self.most:
            return int(str(value))
        raise self.refused(value)

    def in_words(self, words: str) -> Value:
        """A value from words; `unlimited` is none.

        Raises:
            ParameterError: `client_invalid`.
        """
        try:
            return None if words.strip().lower() in UNLIMITED else self.checked(self.read(words))
        except ValueError as error:
            raise self.refused(words) from error

    def refused(self, value: object) -> ParameterError:
        """The error for a value that cannot be."""
        return ParameterError(
            f"the limit {self.name} cannot be {value!r:.120}",
            code="client_invalid",
            hint=f"{self.name}: {self.meaning}, such as {self.example}.",
        )


@dataclass(frozen=True)
class ListLimit(Limit):
    """A limit that is a list of words."""

    read: Callable[[str], int | list[str]] = lambda words: words.replace(",", " ").split()
    fits: Callable[[str], object] = bool
    """Whether a word may be in it; may raise ValueError."""

    def checked(self, value: object) -> Value:
        """A value as it is stored; see `Limit.checked`."""
        if value is None:
            return None
        if not isinstance(value, list) or len(value) > MOST_LISTED:
            raise self.refused(value)
        for word in value:
            try:
                fits = isinstance(word, str) and self.fits(word)
            except ValueError:
                fits = None
            if not fits:
                raise self.refused(word)
        return list(value)


LIMITS = {
    limit.name: limit
    for limit in (
        Limit("most_running", "jobs that may run at once", "2", least=0, most=100_000),
        Limit("source_bytes", "size of a source", "20GB", size_bytes),
        Limit("source_seconds", "length of a source", "4h", length_seconds),
        Limit("output_pixels", "pixels of the largest rendition", "1920x1080", area_pixels),
        Limit("renditions", "renditions of one job, at most 64", "8", most=64),
        Limit("scratch_bytes", "temporary files of one job", "50GB", size_bytes),
        ListLimit(
            "allowed_networks",
            "networks it may reach beyond the public ones",
            "10.20.0.0/16,192.168.1.7/32",
            fits=ip_network,
        ),
        ListLimit(
            "allowed_hosts",
            "hosts it may reach wherever they lie",
            "origin.example.org",
            fits=HOST.fullmatch,
        ),
        ListLimit(
            "storages",
            "storages it may use beside local",
            "incoming,assets",
            fits=STORAGE.fullmatch,
        ),
    )
}
"""All there are, by name."""


def checked(limits: object) -> dict[str, Value]:
    """A client's own limits, as they are stored.

    Raises:
        ParameterError: `client_invalid`, there is no such limit, or it cannot be that.
    """
    if not isinstance(limits, Mapping):
        raise ParameterError(
            "the limits are not a JSON object", code="client_invalid", hint="Give them by names."
        )
    return {name: _known(name).checked(value) for name, value in limits.items()}


def in_words(name: str, words: str) -> Value:
    """A limit from words, such as `20GB` for `source_bytes`; `unlimited` is none.

    Raises:
        ParameterError: `client_invalid`, as `checked`.
    """
    return _known(name).in_words(words)


def in_force(usual: Mapping[str, Value], own: Mapping[str, Value] | None) -> dict[str, Value]:
    """The limits that count for a client, without those that are none.

    Args:
        usual: the operator's, for every client.
        own: the client's; None: it is the operator's own work, which nothing limits.
    """
    if own is None:
        return {}
    return {name: value for name, value in {**usual, **own}.items() if value is not None}


def _known(name: object) -> Limit:
    found = LIMITS.get(str(name))
    if found is None:
        raise ParameterError(
            f"there is no limit {name!r:.120}",
            code="client_invalid",
            hint=f"There are: {', '.join(LIMITS)}.",
        )
    return found
