"""An asset with encrypted copies beside its clear tracks, as its record tells of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal

from adaptation.media import dash, hls
from adaptation.media.asset import CLEAR, PROTECTION, TRICKPLAY, listed_tracks
from adaptation.media.hls import PLAYLIST_NAME
from adaptation.media.index import Segment, Track
from adaptation.media.protection import SCHEMES, Protection, Scheme, SystemName, protected_manifest
from adaptation.media.texttrack import TextTrack
from adaptation.media.trickplay import TrickPlay

Active = Literal["clear", "cenc", "cbcs"]
Digests = Sequence[tuple[int, str]]
"""Size in bytes and SHA-256 of an init segment and of the media segments behind it."""


@dataclass(frozen=True)
class EncryptedTrack:
    """One track of a copy."""

    protection: Protection
    track: Track
    """Its files, with the times of the clear track."""

    def to_json(self) -> dict[str, Any]:
        """What the clear track does not say already."""
        segments = [[segment.size_bytes, segment.sha256] for segment in self.track.segments]
        init = [self.track.init_size_bytes, self.track.init_sha256]
        return {**self.protection.to_json(), "files": [init, *segments]}


@dataclass(frozen=True)
class ProtectedAsset:
    """All that manifests are written from."""

    record: Mapping[str, Any]
    """As it was read."""
    tracks: tuple[Track, ...]
    """Clear; at least one picture."""
    texts: tuple[TextTrack, ...] = ()
    """Never encrypted."""
    copies: Mapping[Scheme, Mapping[str, EncryptedTrack]] | None = None
    """By the scheme and the track's name; None: there never was one."""
    active: Active = CLEAR
    """What the manifests lead to."""
    systems: tuple[SystemName, ...] = ()
    """Whose players are told how to get keys."""
    trick: TrickPlay | None = None
    """What there is for searching: clear pictures, which only clear manifests lead to."""

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> ProtectedAsset:
        """Read the record of an asset.

        Raises:
            SourceError: `asset_damaged`.
            ValueError, KeyError, TypeError: what it says of copies is damaged.
        """
        tracks, texts = listed_tracks(record)
        found = record.get(TRICKPLAY)
        trick = TrickPlay.from_json(found) if found else None
        told = record.get(PROTECTION)
        if told is None:
            return cls(record, tracks, texts, trick=trick)
        clear = {track.name: track for track in tracks}
        copies = {
            scheme: {name: _copy(clear[name], one) for name, one in told["copies"][scheme].items()}
            for scheme in SCHEMES
            if scheme in told["copies"]
        }
        systems = tuple(told["systems"])
        return cls(record, tracks, texts, copies, told["active"], systems, trick)

    def with_whole_copies(self, present: Set[str]) -> ProtectedAsset:
        """The same without the tracks of copies that lack a file.

        Args:
            present: the files of the asset by their names in it.
        """
        if self.copies is None:
            return self
        copies = {
            scheme: {name: one for name, one in copy.items() if media_files(one.track) <= present}
            for scheme, copy in self.copies.items()
        }
        return replace(self, copies=copies)

    def apart(self) -> ProtectedAsset:
        """The same with the clear tracks in a folder of their own, which a server can keep back."""
        trick = self.trick and replace(self.trick, track=_apart(self.trick.track))
        tracks = tuple(map(_apart, self.tracks))
        return replace(self, tracks=tracks, copies=self.copies or {}, trick=trick)

    @property
    def clear_folders(self) -> list[str]:
        """The folders of all that is clear, of an asset and of what it becomes in one order."""
        tracks = [*self.tracks, *([self.trick.track] if self.trick else [])]
        return [track.folder for track in tracks]

    def with_copy(
        self, made: Iterable[EncryptedTrack], systems: Sequence[SystemName]
    ) -> ProtectedAsset:
        """The same with one copy, of all tracks, which is the active one from now on."""
        encrypted = {one.track.name: one for one in made}
        scheme = next(iter(encrypted.values())).protection.scheme
        copies = {**(self.copies or {}), scheme: encrypted}
        return replace(self, copies=copies, active=scheme, systems=tuple(systems))

    def cleared(self) -> ProtectedAsset:
        """The same with its clear tracks as the active ones; copies are kept."""
        return replace(self, active=CLEAR, systems=())

    @property
    def active_copy(self) -> Mapping[str, EncryptedTrack]:
        """What the manifests lead to by the tracks' names; empty: to the clear tracks."""
        return (self.copies or {}).get(self.active, {}) if self.active != CLEAR else {}

    def master_playlist(self) -> str:
        """HLS over what is active."""
        return hls.master_playlist(self._active_tracks(), self.texts, self._shown_trick)

    def manifest(self) -> str:
        """DASH over what is active."""
        text = dash.manifest(self._active_tracks(), self.texts, trick=self._shown_trick)
        marks = {name: one.protection for name, one in self.active_copy.items()}
        return protected_manifest(text, marks) if marks else text

    def document(self) -> dict[str, Any]:
        """The record as it is to be."""
        if self.copies is None:
            return dict(self.record)
        places = {track.name: track.folder for track in self.tracks}
        copies = {
            scheme: {name: one.to_json() for name, one in self.copies[scheme].items()}
            for scheme in SCHEMES
            if scheme in self.copies
        }
        told = {"active": self.active, "systems": list(self.systems), "copies": copies}
        tracks = [_placed(one, places.get(one["name"])) for one in self.record["tracks"]]
        trick = {TRICKPLAY: self.trick.to_json()} if self.trick else {}
        return {**self.record, PROTECTION: told, "tracks": tracks, **trick}

    def text(self) -> str:
        """The record as the content of its file."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n"

    @property
    def _shown_trick(self) -> TrickPlay | None:
        return self.trick if self.active == CLEAR else None

    def _active_tracks(self) -> list[Track]:
        copy = self.active_copy
        return [copy[track.name].track if copy else track for track in self.tracks]


def _apart(track: Track) -> Track:
    if track.folder.startswith(f"{CLEAR}/"):
        return track
    return replace(track, folder=f"{CLEAR}/{track.folder}")


def media_files(track: Track) -> set[str]:
    """The files of a track with media, by their names in the asset."""
    names = [track.init_name, *(segment.name for segment in track.segments)]
    return {f"{track.folder}/{name}" for name in names}


def encrypted_track(clear: Track, protection: Protection, files: Digests) -> EncryptedTrack:
    """A track of a copy.

    Args:
        clear: the track it was made of.
        protection: how it is encrypted.
        files: of its init segment and all media segments.
    """
    (init_size_bytes, init_sha256), *segments = files
    track = replace(
        clear,
        folder=f"{protection.scheme}/{clear.name}",
        init_size_bytes=init_size_bytes,
        init_sha256=init_sha256,
        segments=tuple(
            _resized(segment, *facts)
            for segment, facts in zip(clear.segments, segments, strict=True)
        ),
    )
    return EncryptedTrack(protection, track)


def _copy(clear: Track, document: Mapping[str, Any]) -> EncryptedTrack:
    protection = Protection.from_json(document)
    return encrypted_track(
        clear, protection, [(size, digest) for size, digest in document["files"]]
    )


def _resized(segment: Segment, size_bytes: int, sha256: str) -> Segment:
    return replace(segment, size_bytes=size_bytes, sha256=sha256)


def _placed(listed: Mapping[str, Any], folder: str | None) -> dict[str, Any]:
    if folder is None:
        return dict(listed)
    return {**listed, "folder": folder, "playlist": f"{folder}/{PLAYLIST_NAME}"}
