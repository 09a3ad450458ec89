"""The fan-out of a ladder: chunks make all renditions, each rendition is then a branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from celery import chain, chord, group
from celery.canvas import Signature

from adaptation.engine.graph import needing
from adaptation.media.package import text_names
from adaptation.media.plan import EncodingPlan
from adaptation.media.probe import SubtitleTrack
from adaptation.media.rendition import Rendition
from adaptation.media.sound import Sound

FIRST, SOON = 9, 6
"""Celery's priorities, 0 to 9, of tasks that are ready at the same time."""


def branches(plan: EncodingPlan, texts: Sequence[SubtitleTrack]) -> Signature[Any]:
    """All tracks of an asset, joined by the footer: renditions first, then sound, then text."""
    rungs = [rendition.to_json() for rendition in plan.ladder]
    pictures = [
        needing(
            _named("encode_chunk", chunk=chunk.to_json(), ladder=rungs), plan.chunk_bytes(chunk)
        )
        for chunk in plan.chunks
    ]
    if plan.copied:
        # It is there in moments, and nothing can be watched before.
        copy = _named("copy_picture", copied=plan.copied.name, ladder=rungs)
        pictures.insert(0, needing(copy, plan.copy_bytes))
    # What can be watched first is made first: the beginning of the picture, and its sound.
    for first in pictures[: 2 if plan.copied else 1]:
        first.set(priority=FIRST)
    header: list[Signature[Any]] = [chord(pictures, _named("gather_chunks"))]
    header += [_sound(sound, plan.sound_bytes(sound)) for sound in plan.sounds]
    header += [_text(track, name) for track, name in zip(texts, text_names(texts), strict=True)]
    return chord(header, _named("add_playlist_footer"))


def renditions(ladder: Iterable[Rendition]) -> Signature[Any]:
    """A branch a rendition, in parallel, from its encoded chunks to its playlist."""
    return group([_rendition(rendition) for rendition in ladder])


def _rendition(rendition: Rendition) -> Signature[Any]:
    return chain(
        _named("compute_target_size", **rendition.to_json()),
        _named("transcode"),
        *_ending(rendition.name),
    )


def _sound(sound: Sound, scratch_bytes: int) -> Signature[Any]:
    encode = _named("transcode_audio", **sound.to_json())
    return chain(needing(encode.set(priority=SOON), scratch_bytes), *_ending(sound.name))


def _text(track: SubtitleTrack, name: str) -> Signature[Any]:
    return chain(
        _named("extract_subtitles", name=name, stream_index=track.index),
        # Its status is what became of the track.
        _named("notify", quality_name=name, complete=False),
    )


def _ending(name: str) -> tuple[Signature[Any], ...]:
    return (
        _named("chunk_hls"),
        _named("add_playlist_info"),
        _named("notify", quality_name=name, status="packaged", complete=False),
    )


def _named(task: str, **params: Any) -> Signature[Any]:
    # By name: the tasks themselves are defined in the module that calls this one.
    return Signature(task, kwargs=params)
