"""What clients say of tracks: filters that choose tracks, and properties laid over theirs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from adaptation.errors import ParameterError
from adaptation.media.asset import Asset
from adaptation.media.index import Track
from adaptation.media.labels import printable
from adaptation.media.language import language_tag
from adaptation.media.probe import UNKNOWN_LANGUAGE
from adaptation.media.roles import (
    SOUND_ROLES,
    TEXT_ROLES,
    role_of,
    sound_roles,
    text_roles,
    with_role,
    words_for,
)
from adaptation.media.sounds import default_sound, main_sounds
from adaptation.media.texttrack import TextTrack, default_text

Section = Literal["audio", "textstream"]
ROLES: Mapping[Section, tuple[str, ...]] = {"audio": SOUND_ROLES, "textstream": TEXT_ROLES}
ANY_ROLE = tuple(dict.fromkeys([*SOUND_ROLES, *TEXT_ROLES]))
FILTERS = ("language", "role", "kind", "properties")
PROPERTIES = ("track_name", "track_description", "track_role", "track_language")
MOST_ENTRIES = 1000
LONGEST_NAME, LONGEST_DESCRIPTION = 200, 1000
TRACK_PROPERTIES = "track_properties"
FILE_PROPERTIES = "file_properties"
Described = TypeVar("Described", Track, TextTrack)


@dataclass(frozen=True)
class Properties:
    """What is laid over a track's own; None: it stays."""

    title: str | None = None
    """Name for people; empty: none."""
    description: str | None = None
    """A sentence for people; empty: none."""
    role: str | None = None
    """Of urn:mpeg:dash:role:2011."""
    language: str | None = None
    """RFC 5646 tag, or `und`."""


@dataclass(frozen=True)
class Entry:
    """One filter with its properties."""

    place: str
    """Where it stands, such as `audio[1]`."""
    section: Section
    """Sounds or subtitles."""
    language: str | None
    """RFC 5646 tag of the tracks it chooses, `und` of those without one; None: of any."""
    role: str | None
    """What they are for; None: anything."""
    properties: Properties
    """What they get."""

    def chooses(self, track: Track | TextTrack, roles: Iterable[str]) -> bool:
        """Whether it is meant for this track, of its kind, which manifests say is for `roles`."""
        tag = language_tag(track.language)
        # RFC 4647 §3.3.1: `pt` chooses `pt-BR`, too.
        speaks = self.language is None or f"{tag}-".startswith(f"{self.language}-")
        return speaks and (self.role is None or self.role in roles)


def parse_properties(document: Any) -> tuple[Entry, ...]:
    """Read `track_properties`.

    Args:
        document: JSON as a client gave it; None is nothing.

    Returns:
        The entries in their order, those of `audio` first.

    Raises:
        ParameterError: names the place of what is wrong, and what would be right.
    """
    sections = _mapping(_given(document, {}), TRACK_PROPERTIES, tuple(ROLES))
    found = list[Entry]()
    for section, roles in ROLES.items():
        listed = _given(sections.get(section), [])
        place = f"{TRACK_PROPERTIES}.{section}"
        if not isinstance(listed, list) or len(listed) > MOST_ENTRIES:
            raise _invalid(place, "is no list", f"Give a list of at most {MOST_ENTRIES} entries.")
        found += [
            _entry(one, f"{place}[{number}]", section, roles) for number, one in enumerate(listed)
        ]
    return tuple(found)


def parse_file_properties(document: Any) -> dict[str, Properties]:
    """Read `file_properties`: by the name of a file its `kind` and its `language`.

    Raises:
        ParameterError: as `parse_properties`.
    """
    if not isinstance(files := _given(document, {}), Mapping) or len(files) > MOST_ENTRIES:
        raise _invalid(FILE_PROPERTIES, "names no files", "Give an object by the names of files.")
    found = {}
    for name, told in files.items():
        place = f"{FILE_PROPERTIES}.{name:.100}"
        said = _mapping(told, place, ("kind", "language"))
        role = _role(said.get("kind"), f"{place}.kind", ANY_ROLE)
        found[name] = Properties(None, None, role, _tag(said.get("language"), f"{place}.language"))
    return found


def described(track: Described, properties: Properties) -> Described:
    """The track with these properties laid over its own."""
    track = replace(
        track,
        title=_or(properties.title, track.title),
        description=_or(properties.description, track.description),
        language=_or(properties.language, track.language),
    )
    return track if properties.role is None else with_role(track, properties.role)


def applied(asset: Asset, entries: Iterable[Entry]) -> tuple[Asset, list[str]]:
    """Lay properties over those of an asset's tracks.

    Every filter looks at the tracks as they were before; of several that choose a track, what
    the last one says counts.

    Returns:
        The asset, and a sentence for each entry that chooses no track.
    """
    sounds = [track for track in asset.tracks if track.kind == "audio"]
    told: list[tuple[Section, Track | TextTrack, tuple[str, ...]]] = []
    default, text = default_sound(main_sounds(sounds)), default_text(asset.texts)
    for sound in sounds:
        is_default = default is not None and default.name in (sound.name, sound.stereo_name)
        told.append(("audio", sound, sound_roles(sound, is_default=is_default)))
    told += [("textstream", one, text_roles(one, is_default=one is text)) for one in asset.texts]
    laid = dict[str, list[Properties]]()
    missed = list[str]()
    for entry in entries:
        names = [
            track.name
            for section, track, roles in told
            if section == entry.section and entry.chooses(track, roles)
        ]
        for name in names:
            laid.setdefault(name, []).append(entry.properties)
        missed += [] if names else [f"{entry.place} chooses no track"]
    tracks = tuple(_all(one, laid.get(one.name, ())) for one in asset.tracks)
    texts = tuple(_all(one, laid.get(one.name, ())) for one in asset.texts)
    return asset.with_tracks(tracks, texts), missed


def _or(said: str | None, before: str) -> str:
    return before if said is None else said


def _all(track: Described, properties: Iterable[Properties]) -> Described:
    for one in properties:
        track = described(track, one)
    return track


def _entry(document: Any, place: str, section: Section, roles: tuple[str, ...]) -> Entry:
    said = _mapping(document, place, FILTERS)
    if said.get("role") is not None and said.get("kind") is not None:
        raise _invalid(place, "has a role and a kind", "Give one of them: they mean the same.")
    word = "kind" if said.get("kind") is not None else "role"
    laid = f"{place}.properties"
    given = _mapping(_given(said.get("properties"), {}), laid, PROPERTIES)
    if not given:
        raise _invalid(laid, "is missing", f"Give {', '.join(PROPERTIES)}, or some of them.")
    return Entry(
        place,
        section,
        _tag(said.get("language"), f"{place}.language"),
        _role(said.get(word), f"{place}.{word}", roles),
        Properties(
            _words(given, "track_name", laid, LONGEST_NAME),
            _words(given, "track_description", laid, LONGEST_DESCRIPTION),
            _role(given.get("track_role"), f"{laid}.track_role", roles),
            _tag(given.get("track_language"), f"{laid}.track_language"),
        ),
    )


def _given(document: Any, otherwise: Any) -> Any:
    return otherwise if document is None else document


def _mapping(document: Any, place: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    """An object with no other fields than those that are known."""
    if not isinstance(document, Mapping):
        raise _invalid(place, "is no object", f"Give an object with {', '.join(known)}.")
    for name in document:
        if name not in known:
            near = difflib.get_close_matches(f"{name}", known, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            hint = f"{hint}Known: {', '.join(known)}."
            raise _invalid(f"{place}.{name:.100}", "is unknown", hint)
    return document


def _words(properties: Mapping[str, Any], name: str, place: str, longest: int) -> str | None:
    given = properties.get(name)
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > longest:
        hint = f"Give a text of at most {longest} letters."
        raise _invalid(f"{place}.{name}", "is no short text", hint)
    return printable(given)


def _tag(given: Any, place: str) -> str | None:
    """A language as manifests say it; `und` for what says that it is not known."""
    if given is None:
        return None
    tag = language_tag(given) if isinstance(given, str) else UNKNOWN_LANGUAGE
    if tag == UNKNOWN_LANGUAGE and given not in ("", UNKNOWN_LANGUAGE):
        hint = "Give a code of ISO 639, such as en, eng or pt-BR; und where none is known."
        raise _invalid(place, f"is no language: {given!r:.100}", hint)
    return tag


def _role(given: Any, place: str, roles: tuple[str, ...]) -> str | None:
    if given is None or given == "":
        return None
    role = role_of(given, roles) if isinstance(given, str) else None
    if role is None:
        known = ", ".join(words_for(roles))
        raise _invalid(place, f"is unknown: {given!r:.100}", f"Known: {known}.")
    return role


def _invalid(place: str, what: str, hint: str) -> ParameterError:
    return ParameterError(f"{place} {what}", hint=hint)
