"""Names for people of the tracks of an asset: no two sounds have one, and no two subtitles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adaptation.media.index import Track
from adaptation.media.language import language_tag
from adaptation.media.probe import UNKNOWN_LANGUAGE
from adaptation.media.texttrack import TextTrack

PURPOSES = {"description": "described", "commentary": "commentary"}
"""What is said of sound without a title that is not for everybody, by its role."""


def track_labels(tracks: Sequence[Track]) -> list[str]:
    """A name for people for each sound track, different from all others (RFC 8216 §4.3.4.1.1)."""
    return distinct(_sound_label(track, number) for number, track in enumerate(tracks, start=1))


def text_labels(texts: Sequence[TextTrack]) -> list[str]:
    """The same for subtitles; those without a title are told apart by what they are for."""
    return distinct(_text_label(text, number) for number, text in enumerate(texts, start=1))


def distinct(wanted: Iterable[str]) -> list[str]:
    """The labels, with a number behind those that were there before."""
    labels = list[str]()
    for wish in wanted:
        label, number = wish, 1
        while label in labels:
            number += 1
            label = f"{wish} ({number})"
        labels.append(label)
    return labels


def printable(text: str) -> str:
    """Text that can stand in a quoted string and in XML: no quotation marks, no line ends."""
    kept = "".join(c if c.isprintable() and c != '"' else " " for c in text)
    return " ".join(kept.split())


def _sound_label(track: Track, number: int) -> str:
    label = _label(track, f"Audio {number}")
    purpose = PURPOSES.get("description" if track.describes_video else track.role)
    return label if printable(track.title) or not purpose else f"{label} ({purpose})"


def _text_label(text: TextTrack, number: int) -> str:
    label = _label(text, f"Subtitles {number}")
    purpose = " (forced)" if text.forced else " (SDH)" if text.hearing_impaired else ""
    return label if printable(text.title) else f"{label}{purpose}"


def _label(track: Track | TextTrack, otherwise: str) -> str:
    tag = language_tag(track.language)
    return printable(track.title) or (tag if tag != UNKNOWN_LANGUAGE else otherwise)
