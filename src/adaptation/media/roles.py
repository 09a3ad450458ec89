"""What tracks are for: the values of urn:mpeg:dash:role:2011, ISO/IEC 23009-1 §5.8.5.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from adaptation.media.index import Track
from adaptation.media.texttrack import TextTrack

COMMON = ("main", "alternate", "supplementary", "commentary", "description", "emergency")
SOUND_ROLES = (*COMMON, "dub", "enhanced-audio-intelligibility", "karaoke")
TEXT_ROLES = (*COMMON, "subtitle", "caption", "forced-subtitle", "easyreader", "sign", "metadata")
KINDS: Mapping[str, str] = {
    "alternative": "alternate",
    "audio-description": "description",
    "captions": "caption",
    "descriptions": "description",
    "forced": "forced-subtitle",
    "main-desc": "description",
    "sdh": "caption",
    "subtitles": "subtitle",
    "translation": "dub",
}
"""Other words for a role: those of HTML's `kind`, and of older products."""
Described = TypeVar("Described", Track, TextTrack)


def role_of(word: str, roles: tuple[str, ...]) -> str | None:
    """The role that a word means, of those there are for this kind of track; None: none."""
    known = word.strip().lower().replace("_", "-")
    role = KINDS.get(known, known)
    return role if role in roles else None


def words_for(roles: tuple[str, ...]) -> list[str]:
    """Every word that means one of these roles."""
    return sorted([*roles, *(word for word, role in KINDS.items() if role in roles)])


def with_role(track: Described, role: str) -> Described:
    """The track with another role, and what follows from it.

    Args:
        track: sound or subtitles.
        role: of `SOUND_ROLES` or `TEXT_ROLES`.
    """
    if isinstance(track, TextTrack):
        is_forced, is_caption = role == "forced-subtitle", role == "caption"
        return replace(track, role=role, forced=is_forced, hearing_impaired=is_caption)
    is_clear = role == "enhanced-audio-intelligibility"
    describes_video = role == "description"
    return replace(track, role=role, describes_video=describes_video, hearing_impaired=is_clear)


def sound_roles(track: Track, *, is_default: bool) -> tuple[str, ...]:
    """What manifests say that a sound is for.

    Args:
        track: the sound.
        is_default: whether it is played to who chose none.
    """
    if track.role or track.describes_video or track.hearing_impaired:
        told = track.role or (
            "description" if track.describes_video else "enhanced-audio-intelligibility"
        )
        return (told,)
    return ("main" if is_default else "alternate",)


def text_roles(text: TextTrack, *, is_default: bool) -> tuple[str, ...]:
    """What manifests say that subtitles are for.

    Args:
        text: the subtitles.
        is_default: whether they are shown to who chose none.
    """
    told = "forced-subtitle" if text.forced else "caption" if text.hearing_impaired else "subtitle"
    return tuple(dict.fromkeys([text.role or told, *(["main"] if is_default else [])]))
