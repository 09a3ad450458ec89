"""The fan-out of a ladder: one branch a rendition, one a sound track, joined by the footer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from celery import chain, chord
from celery.canvas import Signature

from adaptation.media.package import audio_names
from adaptation.media.probe import AudioTrack
from adaptation.media.rendition import Rendition


def branches(ladder: Iterable[Rendition], sounds: Sequence[AudioTrack]) -> Signature[Any]:
    """The chord of a ladder: every branch makes one track; the footer joins them in this order."""
    header = [_rendition(rendition) for rendition in ladder]
    header += [_sound(track, name) for track, name in zip(sounds, audio_names(sounds), strict=True)]
    return chord(header, _named("add_playlist_footer"))


def _rendition(rendition: Rendition) -> Signature[Any]:
    return chain(
        _named("compute_target_size", **rendition.to_json()),
        _named("transcode"),
        *_ending(rendition.name),
    )


def _sound(track: AudioTrack, name: str) -> Signature[Any]:
    facts = {"stream_index": track.index, "language": track.language, "title": track.title}
    return chain(_named("transcode_audio", name=name, **facts), *_ending(name))


def _ending(name: str) -> tuple[Signature[Any], ...]:
    return (
        _named("chunk_hls"),
        _named("add_playlist_info"),
        _named("notify", quality_name=name, status="packaged", complete=False),
    )


def _named(task: str, **params: Any) -> Signature[Any]:
    # By name: the tasks themselves are defined in the module that calls this one.
    return Signature(task, kwargs=params)
