"""The fan-out of a ladder: chunks make all renditions, each rendition is then a branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from celery import chain, chord, group
from celery.canvas import Signature

from adaptation.engine.graph import needing
from adaptation.media.package import text_names
from adaptation.media.plan import EncodingPlan
from adaptation.media.probe import SubtitleTrack
from adaptation.media.rendition import Rendition
from adaptation.media.sound import Sound
from adaptation.workflows.encoders import NEEDED

FIRST, SOON = 9, 6
"""Celery's priorities, 0 to 9, of tasks that are ready at the same time."""


def branches(
    plan: EncodingPlan,
    texts: Sequence[SubtitleTrack],
    more: Sequence[Signature[Any]] = (),
) -> Signature[Any]:
    """All tracks of an asset, joined by the footer: renditions first, then sound, then text.

    Args:
        plan: of its picture, and of the sound in the same source.
        texts: subtitles in the same source.
        more: tracks of other sources.
    """
    rungs = [rendition.to_json() for rendition in plan.ladder]
    pictures = [
        needing(
            _named("encode_chunk", chunk=chunk.to_json(), ladder=rungs),
            plan.chunk_bytes(chunk),
            abilities=plan.encoders - {NEEDED},
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
    header += [encoded_sound(sound, plan.sound_bytes(sound)) for sound in plan.sounds]
    header += [
        extracted_text(track, name) for track, name in zip(texts, text_names(texts), strict=True)
    ]
    return joined([*header, *more])


def joined(tracks: Sequence[Signature[Any]]) -> Signature[Any]:
    """Tracks that are made in parallel, and joined by the footer."""
    return chord(list(tracks), _named("add_playlist_footer"))


def copied_picture(name: str, scratch_bytes: int, **source: Any) -> Signature[Any]:
    """A picture that is taken as it is, from a source of its own."""
    copy = _named("copy_rendition", name=name, **source)
    return chain(needing(copy.set(priority=SOON), scratch_bytes), *_ending(name))


def copied_sound(sound: Sound, scratch_bytes: int, **source: Any) -> Signature[Any]:
    """A sound track that is copied, or encoded should that fail."""
    copy = _named("copy_sound", **sound.to_json(), **source)
    return chain(needing(copy, scratch_bytes), *_ending(sound.name))


def renditions(ladder: Iterable[Rendition]) -> Signature[Any]:
    """A branch a rendition, in parallel, from its encoded chunks to its playlist."""
    return group([_rendition(rendition) for rendition in ladder])


def _rendition(rendition: Rendition) -> Signature[Any]:
    return chain(
        _named("compute_target_size", **rendition.to_json()),
        _named("transcode"),
        *_ending(rendition.name),
    )


def encoded_sound(sound: Sound, scratch_bytes: int, **source: Any) -> Signature[Any]:
    """A sound track that is encoded, of the picture's own source or of another one."""
    encode = _named("transcode_audio", **sound.to_json(), **source)
    return chain(needing(encode.set(priority=SOON), scratch_bytes), *_ending(sound.name))


def extracted_text(track: SubtitleTrack, name: str) -> Signature[Any]:
    """Subtitles inside the picture's source."""
    return _text("extract_subtitles", name, stream_index=track.index)


def read_text(track: SubtitleTrack, name: str, **source: Any) -> Signature[Any]:
    """Subtitles that are a file."""
    return _text("read_subtitles", name, subtitles=asdict(track), **source)


def _text(task: str, name: str, **params: Any) -> Signature[Any]:
    return chain(
        _named(task, name=name, **params),
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
