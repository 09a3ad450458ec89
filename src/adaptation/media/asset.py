"""An asset as its record tells of it: clear tracks, encrypted copies, what it is searched by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from adaptation.errors import SourceError
from adaptation.media import dash, hls
from adaptation.media.asset_record import (
    BASE,
    CLEAR,
    PROTECTION,
    TRICKPLAY,
    base_of,
    damaged_asset,
    format_of,
    listed_tracks,
    listing,
    manifest_names,
    unreadable,
    written,
)
from adaptation.media.encrypted_track import EncryptedTrack
from adaptation.media.index import Track
from adaptation.media.one_file import in_one_file
from adaptation.media.protection import SCHEMES, Scheme, SystemName, protected_manifest
from adaptation.media.texttrack import TextTrack
from adaptation.media.trickplay import ImageTrack, TrickPlay

Active = Literal["clear", "cenc", "cbcs", "aes128"]
Copies = Mapping[Scheme, Mapping[str, EncryptedTrack]]
"""Encrypted tracks by the scheme and the clear track's name."""
Placed = TypeVar("Placed", Track, TextTrack, ImageTrack)


@dataclass(frozen=True)
class Asset:
    """All that manifests are written from."""

    record: Mapping[str, Any]
    """As it was read."""
    tracks: tuple[Track, ...]
    """Clear pictures and sounds; at least one picture."""
    texts: tuple[TextTrack, ...] = ()
    """Subtitles, which are never encrypted."""
    copies: Copies | None = None
    """None: there never was one."""
    active: Active = CLEAR
    """What the manifests lead to; `aes128` is for HLS alone."""
    systems: tuple[SystemName, ...] = ()
    """Whose players are told how to get keys."""
    trick: TrickPlay | None = None
    """What there is for searching: clear pictures, which only clear manifests lead to."""
    base: str = ""
    """The folder inside the asset that all folders of tracks lie in; empty: its root."""

    @classmethod
    def from_json(cls, record: Any) -> Asset:
        """Read a record.

        Args:
            record: JSON, which anybody may have written.

        Raises:
            SourceError: `asset_damaged`.
        """
        try:
            tracks, texts = listed_tracks(record)
            trick = record.get(TRICKPLAY)
            asset = cls(
                record,
                tracks,
                texts,
                trick=TrickPlay.from_json(trick) if trick else None,
                base=base_of(record),
            )
            asset = asset if (told := record.get(PROTECTION)) is None else asset._told(told)
            is_whole = isinstance(record["asset_id"], str) and all(one.segments for one in tracks)
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise unreadable(error) from error
        if not is_whole or not any(track.kind == "video" for track in tracks):
            raise damaged_asset("it has no picture")
        return asset

    def _told(self, protection: Mapping[str, Any]) -> Asset:
        """The same with the copies that its record tells of."""
        clear = {track.name: track for track in self.tracks}
        listed: Mapping[str, Mapping[str, Any]] = protection["copies"]
        copies = {
            scheme: {
                name: EncryptedTrack.from_json(clear[name], one)
                for name, one in listed[scheme].items()
            }
            for scheme in SCHEMES
            if scheme in listed
        }
        active, systems = protection["active"], tuple(protection["systems"])
        found = replace(self, copies=copies, active=active, systems=systems)
        shown = {active, found._dash_scheme or CLEAR} - {CLEAR}
        if any(copies.get(scheme, {}).keys() != clear.keys() for scheme in shown):
            raise damaged_asset("its manifests lead to a copy that its record does not tell of")
        return found

    @property
    def asset_id(self) -> str:
        """Its id."""
        return str(self.record["asset_id"])

    @property
    def media(self) -> Mapping[str, Any]:
        """What the record says but for searching: the same for the same media."""
        return {name: value for name, value in self.record.items() if name != TRICKPLAY}

    @property
    def active_copy(self) -> Mapping[str, EncryptedTrack]:
        """What HLS leads to by the tracks' names; empty: to the clear tracks."""
        return self._copy(self.active)

    @property
    def has_dash(self) -> bool:
        """Whether there is something for DASH: it has no scheme for whole segments in AES-128."""
        return self._dash_scheme is not None

    @property
    def _dash_scheme(self) -> Active | None:
        if self.active != "aes128":
            return self.active
        return "cenc" if len(self.systems) > 1 else None

    def _copy(self, scheme: Active) -> Mapping[str, EncryptedTrack]:
        return (self.copies or {}).get(scheme, {}) if scheme != CLEAR else {}

    @property
    def clear_folders(self) -> list[str]:
        """The folders of all that is clear, of an asset and of what it becomes in one order."""
        tracks = [*self.tracks, *([self.trick.track] if self.trick else [])]
        return [track.folder for track in tracks]

    def place(self, name: str) -> str:
        """Where a file of a track lies inside the asset.

        Args:
            name: of the file, with the folder of its track.
        """
        return f"{self.base}/{name}" if self.base else name

    def need_clear(self) -> None:
        """Refuse an asset whose manifests lead to encrypted copies of its tracks.

        Raises:
            SourceError: `asset_protected`.
        """
        if self.active != CLEAR:
            raise SourceError(
                "the asset's DRM is on",
                code="asset_protected",
                hint="Turn it off, do this, and turn it on again.",
            )

    def with_trick(self, trick: TrickPlay) -> Asset:
        """The same with what there is for searching now."""
        return replace(self, trick=trick)

    def with_tracks(self, tracks: Sequence[Track], texts: Sequence[TextTrack]) -> Asset:
        """The same with other properties of its tracks, which its copies share.

        Args:
            tracks: by their names those that there are.
            texts: the same of subtitles.
        """
        clear = {track.name: track for track in tracks}
        copies = self.copies and {
            scheme: {name: one.retold(clear[name]) for name, one in copy.items()}
            for scheme, copy in self.copies.items()
        }
        return replace(self, tracks=tuple(tracks), texts=tuple(texts), copies=copies)

    def with_whole_copies(self, present: Set[str]) -> Asset:
        """The same without the tracks of copies that lack a file.

        Args:
            present: the files of the asset by their names below its base.
        """
        if self.copies is None:
            return self
        copies = {
            scheme: {name: one for name, one in copy.items() if media_files(one.track) <= present}
            for scheme, copy in self.copies.items()
        }
        return replace(self, copies=copies)

    def in_one_file_each(self) -> Asset:
        """The same, clear, with the segments of each track in one file."""
        tracks = tuple(map(in_one_file, self.tracks))
        more = sum(track.index_size_bytes for track in tracks)
        size_bytes = int(self.record["size_bytes"]) + more
        return replace(self, tracks=tracks, record={**self.record, "size_bytes": size_bytes})

    def apart(self) -> Asset:
        """The same with the clear tracks in a folder of their own, which a server can keep back."""
        trick = self.trick and replace(self.trick, track=_apart(self.trick.track))
        tracks = tuple(map(_apart, self.tracks))
        return replace(self, tracks=tracks, copies=self.copies or {}, trick=trick)

    def with_copy(self, made: Iterable[EncryptedTrack], systems: Sequence[SystemName]) -> Asset:
        """The same with one copy, of all tracks, which is the active one from now on."""
        encrypted = {one.track.name: one for one in made}
        scheme = next(iter(encrypted.values())).protection.scheme
        copies = {**(self.copies or {}), scheme: encrypted}
        return replace(self, copies=copies, active=scheme, systems=tuple(systems))

    def cleared(self) -> Asset:
        """The same with its clear tracks as the active ones; copies are kept."""
        return replace(self, active=CLEAR, systems=())

    def master_playlist(self) -> str:
        """HLS over what is active."""
        return hls.master_playlist(*self._shown(self.active_copy))

    def manifest(self) -> str:
        """DASH over what is active, or beside `aes128` over the copy for the other systems.

        Raises:
            ValueError: there is nothing for it, see `has_dash`.
        """
        if self._dash_scheme is None:
            raise ValueError("DASH has no scheme for AES-128")
        copy = self._copy(self._dash_scheme)
        tracks, texts, trick = self._shown(copy)
        text = dash.manifest(tracks, texts, trick=trick)
        marks = {name: one.protection for name, one in copy.items()}
        return protected_manifest(text, marks) if marks else text

    def document(self) -> dict[str, Any]:
        """The record as it is to be; what it says beyond what is known here stays in it."""
        known = {one["name"]: one for one in self.record["tracks"]}
        tracks = [
            {**known.get(one["name"], {}), **one}
            for one in listing(self.tracks, self.texts, self.base)
        ]
        told: dict[str, Any] = {"tracks": tracks, "format": format_of(self.tracks, self.base)}
        if self.base:
            told[BASE] = self.base
        if self.copies is not None:
            told[PROTECTION] = self._protection(self.copies)
            told["manifests"] = manifest_names(has_dash=self.has_dash)
        if self.trick:
            told[TRICKPLAY] = self.trick.to_json()
        before = {k: v for k, v in self.record.items() if k != BASE}
        return {**before, **told}

    def text(self) -> str:
        """The record as the content of its file."""
        return written(self.document())

    def _protection(self, copies: Copies) -> dict[str, Any]:
        listed = {
            scheme: {name: one.to_json() for name, one in copies[scheme].items()}
            for scheme in SCHEMES
            if scheme in copies
        }
        return {"active": self.active, "systems": list(self.systems), "copies": listed}

    def _shown(
        self, copy: Mapping[str, EncryptedTrack]
    ) -> tuple[list[Track], list[TextTrack], TrickPlay | None]:
        """What manifests over a copy lead to, in folders as they are seen from the asset's root."""
        trick = self.trick if self.active == CLEAR else None
        tracks = [copy[track.name].track if copy else track for track in self.tracks]
        if trick:
            images = trick.images and self._based(trick.images)
            trick = replace(trick, track=self._based(trick.track), images=images)
        return [*map(self._based, tracks)], [*map(self._based, self.texts)], trick

    def _based(self, track: Placed) -> Placed:
        return replace(track, folder=self.place(track.folder)) if self.base else track


def media_files(track: Track) -> set[str]:
    """The files of a track with media, by their names below the asset's base."""
    names = [track.init_name, *(segment.name for segment in track.segments)]
    return {f"{track.folder}/{name}" for name in names}


def _apart(track: Track) -> Track:
    if track.folder.startswith(f"{CLEAR}/"):
        return track
    return replace(track, folder=f"{CLEAR}/{track.folder}")
