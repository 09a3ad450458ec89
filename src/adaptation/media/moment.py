"""Moments of a source as clients name them: seconds, a clock time from its start, or UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import isfinite

from adaptation.errors import ParameterError, SourceError

MOST_SECONDS = 1_000_000
"""More than eleven days: no source is that long."""
FORMS = "seconds, hh:mm:ss[.fff], or UTC such as 2026-05-01T18:00:00.040Z"
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d(?:\.\d{1,9})?)", re.ASCII)
_SECONDS = re.compile(r"\d{1,7}(?:\.\d{1,9})?", re.ASCII)
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)", re.ASCII)


@dataclass(frozen=True)
class Moment:
    """A point of a source's time; either field is None."""

    seconds: Fraction | None
    """Since the first picture."""
    utc: datetime | None = None
    """When it was on air."""

    def into(self, programme_start: datetime | None) -> Fraction:
        """Seconds since the first picture.

        Args:
            programme_start: when the first picture was on air; None: the source does not say.

        Raises:
            SourceError: `programme_time_missing`.
            ParameterError: `time_outside`, it lies before the first picture.
        """
        if self.seconds is not None:
            return self.seconds
        if programme_start is None or self.utc is None:
            raise SourceError(
                "the source does not say when it was on air, so that no UTC can be found in it",
                code="programme_time_missing",
                hint="Give seconds or hh:mm:ss from its start; UTC needs an HLS playlist with"
                " EXT-X-PROGRAM-DATE-TIME.",
            )
        since = self.utc - programme_start
        seconds = Fraction(since // timedelta(microseconds=1), 1_000_000)
        if seconds < 0:
            begins = programme_start.isoformat()
            raise time_outside(
                f"{self.utc.isoformat()} lies before the source, which begins at {begins}"
            )
        return seconds


def parse_moment(words: float | str) -> Moment:
    """Read a moment: a number of seconds, or a text in one of `FORMS`.

    Raises:
        ValueError: it is none of them, or beyond `MOST_SECONDS`.
    """
    text = repr(words) if isinstance(words, float) else str(words).strip()
    if match := _CLOCK.fullmatch(text):
        seconds = (int(match[1]) * 60 + int(match[2])) * 60 + Fraction(match[3])
    elif _SECONDS.fullmatch(text) or (isinstance(words, float) and isfinite(words)):
        # By its decimal digits: 0.2 means a fifth, not the nearest binary number.
        seconds = Fraction(text)
    elif utc := parse_utc(text):
        return Moment(None, utc)
    else:
        raise ValueError(f"give {FORMS}")
    if not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(f"give 0 to {MOST_SECONDS:,} seconds")
    return Moment(seconds)


def parse_utc(text: str) -> datetime | None:
    """A time of ISO 8601 with a time zone; None: it is none."""
    if not _UTC.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def time_outside(what: str) -> ParameterError:
    """The error for a time at which the source shows nothing."""
    return ParameterError(
        what, code="time_outside", hint="Give a time between the start and the end of the source."
    )
