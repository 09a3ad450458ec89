"""The sounds of an asset: which tracks are versions of one sound, and which sound comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adaptation.media.index import Track
from adaptation.media.language import language_tag
from adaptation.media.probe import UNKNOWN_LANGUAGE

AUDIO_GROUP = "audio"
"""Group of each sound as it is offered first."""
OTHER_RATE = 1.5
"""How many times the bit rate of another a track of the same codec has that is made anew of it."""
NOT_FOR_EVERYBODY = frozenset({"description", "commentary", "enhanced-audio-intelligibility"})
"""Roles of sound that is played to nobody who did not choose it."""
STEREO = 2
"""Channels that everybody can hear."""
_CODECS = {"ac-3": "ac3", "ec-3": "eac3"}
_CHANNELS = {6: "51", 8: "71"}

Version = tuple[str, int, int]
"""Codec, channels, and how many versions of the sound with these two come before."""


def main_sounds(tracks: Sequence[Track]) -> list[Track]:
    """Each sound once, in the version that is offered first, and where its first version stands."""
    sounds = [track for track in tracks if track.kind == "audio"]
    first = {track.name for track in sounds if not track.stereo_name}
    places = dict[str, int]()
    for place, track in enumerate(sounds):
        places.setdefault(track.stereo_name if track.stereo_name in first else track.name, place)
    mains = [track for track in sounds if track.stereo_name not in first]
    return sorted(mains, key=lambda track: places[track.name])


def versions_of(main: Track, tracks: Sequence[Track]) -> dict[Version, Track]:
    """The versions of one sound, `main` first."""
    others = [] if main.stereo_name else [t for t in tracks if t.stereo_name == main.name]
    found = dict[Version, Track]()
    for track in [main, *others]:
        codec, rank = family(track), 0
        while (codec, track.channels, rank) in found:
            rank += 1
        found[codec, track.channels, rank] = track
    return found


def default_sound(mains: Sequence[Track]) -> Track | None:
    """The sound that is played to who chose none."""
    chosen = [track for track in mains if track.default]
    chosen += [track for track in mains if track.role == "main"]
    chosen += [track for track in mains if not _is_special(track)]
    return next(iter([*chosen, *mains]), None)


def audio_groups(tracks: Sequence[Track]) -> dict[str, list[Track]]:
    """The members of each group of sound by its name, in the order of `main_sounds`.

    All groups have the same members but for their encoding (RFC 8216 §4.3.4.1.1): a sound that
    is not there in a version is in that group as in the first.
    """
    mains = main_sounds(tracks)
    known = [versions_of(main, tracks) for main in mains]
    groups = {AUDIO_GROUP: mains} if mains else {}
    for version in dict.fromkeys(one for versions in known for one in list(versions)[1:]):
        members = [versions.get(version, main) for main, versions in zip(mains, known, strict=True)]
        groups[_group_name(version)] = members
    return groups


def linked(tracks: Sequence[Track]) -> list[Track]:
    """Tracks of which those that say the same of themselves are known as one sound.

    What has another codec or other channels is the same sound again when language, name and
    purpose are the same. What differs by its bit rate alone must have a name: without one, two
    tracks of a language may well be film and commentary.

    What most players can play, AAC in stereo, is the sound, and the others are versions of it.

    Args:
        tracks: in the order they are offered, which stays; links that there are stay, too.
    """
    mains, links = list[Track](), dict[str, str]()
    free = [track for track in tracks if track.kind == "audio" and not track.stereo_name]
    for track in sorted(free, key=_reach):
        known = [one for one in tracks if one.stereo_name or one.name in links]
        found = [replace(one, stereo_name=links.get(one.name, one.stereo_name)) for one in known]
        like = [one for one in mains if _says_the_same(one, track)]
        main = next((one for one in like if _is_version(track, one, found)), None)
        if main:
            links[track.name] = main.name
        else:
            mains.append(track)
    return [replace(one, stereo_name=links.get(one.name, one.stereo_name)) for one in tracks]


def _reach(track: Track) -> tuple[bool, bool]:
    """Less for what more players can play: AAC before all else, and stereo before all others."""
    return not track.codec.startswith("mp4a.40"), track.channels != STEREO


def family(track: Track) -> str:
    """The codec of a track, as far as players cannot go over to another within one set."""
    return track.codec if track.codec.startswith("mp4a.") else track.codec.partition(".")[0]


def _says_the_same(one: Track, other: Track) -> bool:
    return language_tag(one.language) != UNKNOWN_LANGUAGE and _told(one) == _told(other)


def _told(track: Track) -> tuple[object, ...]:
    flags = (track.hearing_impaired, track.describes_video)
    return (language_tag(track.language), track.title, track.role, *flags)


def _is_version(track: Track, main: Track, found: Sequence[Track]) -> bool:
    same = [
        one
        for one in versions_of(main, found).values()
        if (family(one), one.channels) == (family(track), track.channels)
    ]
    if not same or not track.title:
        return not same
    rates = [(one.average_bandwidth, track.average_bandwidth) for one in same]
    return all(max(pair) >= OTHER_RATE * min(pair) for pair in rates)


def _is_special(track: Track) -> bool:
    return track.describes_video or track.hearing_impaired or track.role in NOT_FOR_EVERYBODY


def _group_name(version: Version) -> str:
    codec, channels, rank = version
    words = [AUDIO_GROUP]
    words += [] if codec.startswith("mp4a.40") else [_CODECS.get(codec, codec.replace(".", "-"))]
    words += [_CHANNELS.get(channels, f"{channels}ch")] if channels != STEREO else []
    words += [str(rank + 1)] if rank or len(words) == 1 else []
    return "_".join(words)
