"""Reads files of captions of every known format as cues, and says what was done on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from adaptation.errors import SourceError
from adaptation.media.caption_text import decoded, invalid
from adaptation.media.scc import read_scc
from adaptation.media.subrip import read_subrip
from adaptation.media.subtitles import Cue, parse_cues
from adaptation.media.ttml import read_ttml

MAX_FILE_BYTES = 16 * 1024 * 1024
"""The largest file that is read: the captions of a long film have a few hundred kB."""
SUFFIXES = (".srt", ".vtt", ".ttml", ".dfxp", ".xml", ".scc")
"""What caption files are called."""
HOUR_SECONDS = 3600
_VTT_HEAD = re.compile(r"WEBVTT(?:[ \t][^\r\n]*)?(?:[\r\n]|$)")
_STYLED = re.compile(r"^(?:STYLE|REGION)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Captions:
    """What a file says."""

    cues: tuple[Cue, ...]
    """In the order of time, none of them empty, on the file's own clock."""
    notes: tuple[str, ...] = ()
    """Sentences for the log."""


def read_caption_file(content: bytes, name: str) -> Captions:
    """The cues of a file.

    Args:
        content: of the file, at most `MAX_FILE_BYTES`.
        name: of the file; its ending tells the format.

    Raises:
        SourceError: `captions_invalid`, `captions_unsupported`; the message begins with the name.
    """
    try:
        if len(content) > MAX_FILE_BYTES:
            raise invalid(f"it has more than {MAX_FILE_BYTES:,} bytes")
        cues, notes = _reader(name)(content) if content.strip() else ([], [])
    except SourceError as error:
        raise SourceError(f"{name}: {error.message}", code=error.code, hint=error.hint) from error
    shown = [cue for cue in cues if cue.text.strip() and cue.end_seconds > cue.start_seconds]
    if len(shown) < len(cues):
        notes.append(f"{len(cues) - len(shown)} cues without text or time are left out")
    if not shown:
        notes.append("it has no cues")
    ordered = sorted(shown, key=lambda cue: cue.start_seconds)
    return Captions(tuple(ordered), tuple(f"{name}: {note}" for note in notes))


def on_film(cues: Sequence[Cue], duration_seconds: Fraction) -> Captions:
    """The cues of a file on the clock of a film that begins at zero, none behind its end.

    A programme that is delivered on tape begins at a whole hour, often 1 or 10: captions that
    begin behind such an hour and do not fit the film otherwise are moved back by it.

    Args:
        cues: in the order of time, on the file's own clock.
        duration_seconds: of the film.
    """
    notes = list[str]()
    back = _programme_start(cues, duration_seconds)
    if back:
        notes.append(f"all times lie behind {back // HOUR_SECONDS:02d}:00:00, taken for the start")
    latest = Fraction(int(duration_seconds * 1000), 1000)
    placed = [
        replace(
            cue,
            start_seconds=cue.start_seconds - back,
            end_seconds=min(latest, cue.end_seconds - back),
        )
        for cue in cues
    ]
    shown = tuple(cue for cue in placed if cue.end_seconds > cue.start_seconds)
    if len(shown) < len(placed):
        notes.append(f"{len(placed) - len(shown)} cues behind the end of the picture are left out")
    return Captions(shown, tuple(notes))


Read = tuple[list[Cue], list[str]]
"""Cues of a file, and notes."""


def _reader(name: str) -> Callable[[bytes], Read]:
    suffix = f".{name.lower().rpartition('.')[2]}"
    ttml = dict.fromkeys((".ttml", ".dfxp", ".xml"), read_ttml)
    readers = {".srt": _subrip, ".vtt": _webvtt, ".scc": _scc, **ttml}
    if suffix not in readers:
        raise SourceError(
            f"captions called {suffix:.20} are not read",
            code="captions_unsupported",
            hint=f"What is read ends with {', '.join(SUFFIXES)}: convert it.",
        )
    return readers[suffix]


def _subrip(content: bytes) -> Read:
    text, notes = _text(content)
    return read_subrip(text), notes


def _webvtt(content: bytes) -> Read:
    text, notes = _text(content)
    if not _VTT_HEAD.match(text):
        raise invalid("it does not begin with WEBVTT", 1)
    if _STYLED.search(text):
        notes.append("its style sheets and regions are left out")
    return parse_cues(text), notes


def _scc(content: bytes) -> Read:
    text, notes = _text(content)
    cues, more = read_scc(text)
    return cues, [*notes, *more]


def _text(content: bytes) -> tuple[str, list[str]]:
    text, guessed = decoded(content)
    return text, [f"it has no mark of its encoding, and is read as {guessed}"] if guessed else []


def _programme_start(cues: Sequence[Cue], duration_seconds: Fraction) -> int:
    """Seconds of the whole hour at which the programme begins; 0: it begins at zero."""
    if not cues:
        return 0
    first, last = cues[0].start_seconds, cues[-1].start_seconds
    back = int(first // HOUR_SECONDS) * HOUR_SECONDS
    # A few cues behind the end are those of a longer cut, and no clock of a tape.
    is_far_off = first >= duration_seconds or 2 * (last - duration_seconds) > back
    return back if is_far_off and first - back < duration_seconds else 0
