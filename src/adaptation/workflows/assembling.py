"""Plans an asset of several sources, and fans out over its tracks: encoded, or as they are."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, NamedTuple

from celery.canvas import Signature

from adaptation.context import Context
from adaptation.engine.history import PLANNED
from adaptation.engine.tasks import Expand
from adaptation.errors import SourceError
from adaptation.media.as_is import CODECS, AsIs, against_sound, named_renditions, not_copied
from adaptation.media.copying import UNITS
from adaptation.media.grid import Rhythm, check_light, check_shapes, common_grid
from adaptation.media.package import text_names
from adaptation.media.picture import hdr_kind, notes
from adaptation.media.plan import COPIES, RATE_HIGH, EncodingPlan
from adaptation.media.rendition import Rendition
from adaptation.media.sound import Sound, plan_sounds
from adaptation.media.source_files import (
    Heard,
    MediaFile,
    best_first,
    sounds_of,
    without_doubles,
)
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.branches import (
    branches,
    copied_picture,
    copied_sound,
    encoded_sound,
    extracted_text,
    joined,
    read_text,
)
from adaptation.workflows.copying import choose, look
from adaptation.workflows.experience import planned_figures
from adaptation.workflows.extras import check_film
from adaptation.workflows.material import COPIED, PICTURE, source_path
from adaptation.workflows.profiles import profile_of
from adaptation.workflows.resources import Run
from adaptation.workflows.reuse import with_digest
from adaptation.workflows.sources import (
    USED,
    ReadCaptions,
    ReadFile,
    caption_files,
    local_path,
    media_files,
)
from adaptation.workflows.step import step
from adaptation.workflows.texts import readable_subtitles
from adaptation.workflows.tracks import HEARD
from adaptation.workflows.watching import LADDER, SOUNDS

RICHEST_SOUND = 1_536_000
"""Bits per second that sound which is copied may have: E-AC-3 of the best kind."""


@dataclass(frozen=True)
class Programme:
    """What is taken of a folder."""

    pictures: Sequence[ReadFile]
    """Files whose pictures are taken: one that is encoded, or all that are taken as they are, best
    first."""
    heard: Sequence[Heard]
    """Sound tracks, in any of the files."""
    files: Mapping[str, ReadFile]
    """All files that were read, by name."""
    captions: Sequence[ReadCaptions]
    """Files of subtitles."""

    @property
    def used(self) -> list[str]:
        """The names of the files that tracks are made of."""
        names = {one.file.name for one in self.pictures} | {one.file for one in self.heard}
        return sorted(names | {one.name for one in self.captions})

    @property
    def lead(self) -> ReadFile:
        """The file whose picture gives the asset its clock."""
        return self.pictures[0]


@dataclass(frozen=True)
class Assembly:
    """What becomes of a folder, and the tasks that make it."""

    context: Context
    """Of those tasks."""
    tracks: Signature[Any]
    """The tasks."""
    programme: Programme
    """What it is made of."""
    renditions: Sequence[Rendition]
    """Encoded, or one for each picture that is taken as it is."""
    sounds: Sequence[Sound]
    """Sound tracks that are made."""
    encoded_sounds: int
    """How many of those are encoded, not copied."""
    segments: int
    """Of each rendition."""
    plan: EncodingPlan | None = None
    """Of a ladder; None: pictures are taken as they are."""


@step("probe")
def plan_sources(context: Context, run: Run) -> Expand:
    """Read all sources, decide on the tracks of the asset, and fan out over them."""
    made = assembly(context, run)
    return Expand(made.context, made.tracks)


def assembly(context: Context, run: Run) -> Assembly:
    """Read all sources, and decide on the tracks of the asset.

    Raises:
        SourceError: the sources cannot become an asset.
        ParameterError: what is wanted does not fit them.
        AdaptationError: more is wanted than the client may use.
    """
    programme = _programme(context, run)
    lead, allowance = programme.lead, Allowance.of(run)
    allowance.check_source(lead.file.source)
    picture, length = lead.file.picture, lead.known.timeline.duration_seconds
    check_film(context, length)
    run.log(f"{lead.file.name}: {picture.width}x{picture.height}, {float(length):.2f} s")
    for heard in programme.heard:
        _check_length(heard, float(length), run)
    context = context.extended(
        **{USED: programme.used},
        **lead.source,
        width=picture.width,
        height=picture.height,
        duration_seconds=float(length),
    )
    return (_encoded if context["encode_source"] else _as_they_are)(context, run, programme)


TASKS = (plan_sources,)


def _programme(context: Context, run: Run) -> Programme:
    read = {one.file.name: one for one in media_files(context, run)}
    pictures = best_first(one.file for one in read.values())
    if not pictures:
        raise SourceError(
            f"no file in {context['source_folder']} has a picture",
            code="source_no_video",
            hint="Put a file with a video track beside the sound; sound alone makes no asset.",
        )
    others = [one.file for one in read.values() if one.file.source.video is None]
    captions = caption_files(context, run)
    if not context["combine_sources"]:
        left = [*(file.name for file in [*pictures[1:], *others]), *(one.name for one in captions)]
        run.log(f"left alone, for combine_sources is false: {', '.join(left) or 'nothing'}")
        pictures, others, captions = pictures[:1], [], []
    taken, said = _wanted_pictures(context, pictures)
    for sentence in said:
        run.log(sentence)
    heard = sounds_of([*pictures, *others], all_tracks=context["all_audio_tracks"])
    return Programme([read[file.name] for file in taken], heard, read, captions)


def _wanted_pictures(
    context: Context, pictures: list[MediaFile]
) -> tuple[list[MediaFile], list[str]]:
    """The files whose pictures are taken, and sentences for the log."""
    if not context["encode_source"]:
        return without_doubles(pictures)
    best = pictures[0]
    left = [f"the picture of {file.name} is left out: {best.name} is it" for file in pictures[1:]]
    return [best], left


def _check_length(heard: Heard, seconds: float, run: Run) -> None:
    """Tell of sound that can hardly belong to the picture."""
    if abs(heard.end_seconds - seconds) > max(1.0, 0.02 * seconds):
        run.log(
            f"sound of {heard.file} ends at {heard.end_seconds:.2f} s, the picture at"
            f" {seconds:.2f} s",
            logging.WARNING,
        )


def _encoded(context: Context, run: Run, programme: Programme) -> Assembly:
    """A ladder of the best picture, and all sound on its clock."""
    context, material = with_digest(context, run), programme.lead.known
    for note in notes(material.picture):
        run.log(note)
    tools = run.resources.tools
    choice = choose(context, material, source_path(context, run), tools, run.cancelled)
    if choice.note:
        run.log(choice.note)
    context = context.extended(**{COPIED: choice.copied}, material_key=material.store(run))
    sounds = _planned_sounds(context, programme.heard, surround=False)
    parallel = run.resources.parallel_chunks
    plan = replace(material.plan(context, parallel), sounds=tuple(sound for sound, _ in sounds))
    Allowance.of(run).check_plan(plan, parallel)
    for note in plan.notes:
        run.log(note)
    names = ", ".join(rung.name for rung in plan.ladder)
    run.log(
        f"profile {plan.profile.name}: {len(plan.ladder)} renditions ({names}) in"
        f" {len(plan.chunks)} chunks, {len(sounds)} sound tracks"
    )
    context = context.extended(
        **{
            PLANNED: planned_figures(plan),
            LADDER: [rendition.to_json() for rendition in plan.ladder],
            SOUNDS: [sound.to_json() for sound in plan.sounds],
        }
    )
    more = [
        encoded_sound(sound, plan.sound_bytes(sound), **_branch_of(heard, programme))
        for sound, heard in sounds
    ]
    more += _texts(programme, run)
    tracks = branches(replace(plan, sounds=()), (), more)
    heard = len(plan.sounds)
    return Assembly(
        context, tracks, programme, plan.ladder, plan.sounds, heard, len(plan.starts), plan
    )


def _as_they_are(context: Context, run: Run, programme: Programme) -> Assembly:
    """Each picture as it is, cut where all can be entered, and most sound copied."""
    pictures = [_as_is(read) for read in programme.pictures]
    check_shapes((one.name, one.picture.width, one.picture.height) for one in pictures)
    check_light((one.name, hdr_kind(one.picture)) for one in pictures)
    _tell_codecs(pictures, run)
    rhythms = [
        Rhythm(one.name, one.timeline, one.keys(_entries(one, context, run))) for one in pictures
    ]
    grid = common_grid(rhythms, context["segment_seconds"])
    renditions = named_renditions([one.picture for one in pictures])
    bits = sum(one.picture.bitrate for one in pictures)
    Allowance.of(run).check_scratch(ceil(COPIES * bits * context["duration_seconds"] / 8))
    keys, tracks = list[str](), list[Signature[Any]]()
    for read, starts, rendition in zip(programme.pictures, grid.starts, renditions, strict=True):
        picture = read.file.picture
        keys.append(replace(read.known, grid=starts).store(run, f"{rendition.name}.json"))
        needed = ceil(COPIES * RATE_HIGH * picture.bitrate * context["duration_seconds"] / 8)
        source = {**read.source, PICTURE: keys[-1]}
        tracks.append(copied_picture(rendition.name, needed, **source))
        rate = f"{picture.bitrate // 1000} kbit/s"
        run.log(f"{rendition.name} is {read.file.name}: {picture.width}x{picture.height}, {rate}")
    sounds = _taken_sounds(context, run, programme)
    tracks += [*(one.made for one in sounds), *_texts(programme, run)]
    return Assembly(
        context.extended(material_key=keys[0]),
        joined(tracks),
        programme,
        renditions,
        [one.sound for one in sounds],
        sum(one.is_encoded for one in sounds),
        len(grid.starts[0]),
    )


def _as_is(read: ReadFile) -> AsIs:
    known = read.known
    found = AsIs(known.source, known.timeline, known.seek_points, known.stored, read.file.name)
    found.check()
    return found


def _tell_codecs(pictures: Sequence[AsIs], run: Run) -> None:
    codecs = sorted({one.picture.codec for one in pictures}, key=CODECS.index)
    if len(codecs) > 1:
        said = " and ".join(codecs)
        run.log(f"players choose between {said} when they start, and then keep to one", 30)


def _entries(one: AsIs, context: Context, run: Run) -> Sequence[Any]:
    """The key frames of a picture with which decoding can start."""
    if one.picture.codec not in UNITS:
        return one.seek_points
    path = local_path(context, run, one.name)
    units, complaint = look(one.picture, path, run.resources.tools, run.cancelled)
    if complaint:
        raise not_copied(one.name, complaint)
    if units.sets_change:
        raise not_copied(one.name, "its parameter sets (SPS, PPS) change on the way")
    return units.entries(one.timeline, one.seek_points)


class _TakenSound(NamedTuple):
    """A sound track of an asset whose pictures are taken as they are."""

    sound: Sound
    made: Signature[Any]
    """The tasks that make it."""
    is_encoded: bool


def _taken_sounds(context: Context, run: Run, programme: Programme) -> list[_TakenSound]:
    made = list[_TakenSound]()
    seconds = context["duration_seconds"]
    for sound, heard in _planned_sounds(context, programme.heard, surround=True):
        branch, why = _branch_of(heard, programme), against_sound(heard)
        if not why and not sound.stereo_name:
            needed = ceil(COPIES * RATE_HIGH * RICHEST_SOUND * seconds / 8)
            made.append(_TakenSound(sound, copied_sound(sound, needed, **branch), False))
        elif why:
            run.log(f"{sound.name} of {heard.file} is encoded to AAC: {why}")
            needed = ceil(COPIES * RATE_HIGH * sound.bitrate * seconds / 8)
            made.append(_TakenSound(sound, encoded_sound(sound, needed, **branch), True))
    return made


def _texts(programme: Programme, run: Run) -> list[Signature[Any]]:
    """The subtitles inside the file with the best picture, and those that are files."""
    inside = readable_subtitles(programme.lead.file.source, run)
    names = text_names([*inside, *(one.track for one in programme.captions)])
    extracted = [extracted_text(track, name) for track, name in zip(inside, names, strict=False)]
    behind = zip(programme.captions, names[len(inside) :], strict=True)
    return [*extracted, *(read_text(one.track, name, **one.source) for one, name in behind)]


def _planned_sounds(
    context: Context, heard: Sequence[Heard], *, surround: bool
) -> list[tuple[Sound, Heard]]:
    """A sound track to make for each that is taken, in stereo first."""
    bitrates = profile_of(context).audio_bitrates
    sounds = plan_sounds([one.track for one in heard], surround=surround, bitrates=bitrates)
    by_name = {sound.name: one for sound, one in zip(sounds, heard, strict=False)}
    return [(sound, by_name[sound.stereo_name or sound.name]) for sound in sounds]


def _branch_of(heard: Heard, programme: Programme) -> dict[str, Any]:
    """What the context of a branch of sound says of its source."""
    return {**programme.files[heard.file].source, HEARD: heard.to_json()}
