"""A folder of sources as a job finds it: which files it takes, and what is in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adaptation.adapters.contents import read_packets, streams
from adaptation.adapters.publish import asset_id_of, check_output
from adaptation.adapters.source_folder import FoundFile, SourceFolder
from adaptation.adapters.source_place import SourcePlace
from adaptation.context import Context
from adaptation.errors import SourceError
from adaptation.media.container import check_complete
from adaptation.media.mp4 import Extents
from adaptation.media.probe import SubtitleTrack, parse_source
from adaptation.media.source_files import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    TEXT_SUFFIXES,
    MediaFile,
    file_language,
    origin_of,
    suffix,
)
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.captions import read_captions
from adaptation.workflows.material import Material, read_material
from adaptation.workflows.resources import Run, get_file, put_file
from adaptation.workflows.step import step
from adaptation.workflows.storage_places import joined, storage_place
from adaptation.workflows.storing import check_destination, source_folder
from adaptation.workflows.vodstream_parameters import ignored

FILES = "source_files"
"""What the context calls the files of the folder: name, size in bytes and time of change of each.
"""
KEYS = "source_keys"
"""What the context calls the keys in the work area of files that were brought there, by name."""
USED = "used_files"
"""What the context calls the names of those that became tracks of the asset."""
PROPERTIES = "file_properties"
"""What the client says of files, by their names."""
XML_SUFFIX = ".xml"
TTML_MARK, TTML_HEAD_BYTES = b"http://www.w3.org/ns/ttml", 65_536
"""What TTML has near its beginning, and other XML has not."""


@dataclass(frozen=True)
class ReadFile:
    """A file with pictures or sound, and what was read of it."""

    file: MediaFile
    source: Mapping[str, Any]
    """Of a branch's context: where the file is, and its state."""
    material: Material | None = None
    """Of a file with a picture."""

    @property
    def known(self) -> Material:
        """What was read of the picture.

        Raises:
            ValueError: there is none.
        """
        if self.material is None:
            raise ValueError(f"{self.file.name} has no picture")
        return self.material


@dataclass(frozen=True)
class ReadCaptions:
    """A file of subtitles."""

    name: str
    """In its folder."""
    track: SubtitleTrack
    """What becomes of it."""
    source: Mapping[str, Any]
    """Of a branch's context: where the file is, and its state."""


@step("download", more_tries="retries")
def find_sources(context: Context, run: Run) -> Context:
    """Look at the folder, and end at once if there is nothing in it."""
    context = context.extended(job_id=run.claim.job_id, main_task_id=run.claim.main_task_id)
    _check_output(context, run)
    return found_sources(context, run)


def found_sources(context: Context, run: Run) -> Context:
    """The files of the folder that are taken, each where every worker can read it.

    Raises:
        SourceError: `source_missing`, there is none.
        AdaptationError: one is larger than the client may use; as a storage.
    """
    for sentence in ignored(context):
        run.log(sentence)
    folder = source_folder(context["source_folder"], run)
    found = folder.files()
    taken = [file for file in found if _is_source(folder, file)]
    for file in found:
        if file not in taken:
            run.log(f"{ascii(file.name)[:100]} is no source, and left alone")
    if not any(suffix(file.name) in PICTURE_SUFFIXES | SOUND_SUFFIXES for file in taken):
        ends = ", ".join(sorted(PICTURE_SUFFIXES))
        raise SourceError(
            f"there is no source in {folder.name}",
            code="source_missing",
            hint=f"Files right in the folder count, of which one or more end in {ends}.",
        )
    allowance = Allowance.of(run)
    for file in taken:
        allowance.check_size(file.name, file.size_bytes)
    for name in sorted({*(context[PROPERTIES] or {})} - {file.name for file in taken}):
        run.log(f"file_properties: there is no source called {name}", 30)
    states = [[file.name, file.size_bytes, file.changed_ns] for file in taken]
    return context.extended(**{FILES: states, KEYS: _brought(folder, taken, run)})


def local_path(context: Context, run: Run, name: str) -> Path:
    """A file of the job's sources on this machine: to read, never to write to.

    Raises:
        ParameterError: `path_outside`, it is a link by now.
    """
    if key := context[KEYS].get(name):
        return get_file(run, key)
    return source_folder(context["source_folder"], run).file(name)


def _brought(folder: SourcePlace, taken: Sequence[FoundFile], run: Run) -> dict[str, str]:
    """Bring what lies in a storage to where every worker can read it; gives keys by name."""
    if isinstance(folder, SourceFolder):
        return {}
    keys = {}
    for number, file in enumerate(taken, start=1):
        keys[file.name] = put_file(run, folder.file(file.name), f"{number}{suffix(file.name)}")
        run.progress(number / len(taken))
    return keys


def media_files(context: Context, run: Run) -> list[ReadFile]:
    """Read all packets of all files with pictures or sound, by name.

    Raises:
        SourceError: names the file that cannot be read.
    """
    states = [state for state in context[FILES] if suffix(state[0]) not in TEXT_SUFFIXES]
    found = []
    for number, (name, *state) in enumerate(states, start=1):
        with naming(name):
            read = _read(context, run, name, state)
        if read.file.source.video or read.file.source.audio:
            found.append(read)
        else:
            run.log(f"{name} holds neither pictures nor sound, and is left alone", 30)
        run.progress(number / len(states))
    return found


def caption_files(context: Context, run: Run) -> list[ReadCaptions]:
    """Read all files of subtitles, by name.

    Raises:
        SourceError: `captions_invalid`, `captions_unsupported`; names the file.
    """
    found = []
    for name, *state in context[FILES]:
        if suffix(name) not in TEXT_SUFFIXES:
            continue
        # What is wrong with it is said before anything is made; its notes are told by its task.
        with naming(name):
            read_captions(local_path(context, run, name))
        said = said_of(context, name)
        language = file_language(name, said.get("language", ""), "")
        track = SubtitleTrack(0, suffix(name).removeprefix("."), language)
        branch = {**_branch(context, name, state), "kind": said.get("kind", "")}
        found.append(ReadCaptions(name, track, branch))
    return found


def said_of(context: Context, name: str) -> Mapping[str, str]:
    """What the client says of a file: `language` and `kind`, each or none."""
    said = (context[PROPERTIES] or {}).get(name, {})
    return {field: word for field, word in said.items() if word}


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Have errors about a source say which file it is."""
    try:
        yield
    except SourceError as error:
        if name in error.message:
            raise
        raise SourceError(f"{name}: {error.message}", code=error.code, hint=error.hint) from error


def _check_output(context: Context, run: Run) -> None:
    """Tell before any work is done whether the asset could appear where it is wanted."""
    check_destination(context, run)
    if storage_place(context.folder_out):
        return
    output = Path(context.folder_out)
    replaced = asset_id_of(output) in context.get("replaces", ())
    check_output(output, overwrite=context["empty_target"] or replaced)


def _is_source(folder: SourcePlace, file: FoundFile) -> bool:
    """Whether a file is one of those that are taken, by its name; XML by its beginning."""
    if not file.name.isprintable():
        # Neither logs nor databases hold ends of lines, or bytes that are no text.
        return False
    end = suffix(file.name)
    if end != XML_SUFFIX:
        return end in PICTURE_SUFFIXES | SOUND_SUFFIXES | TEXT_SUFFIXES
    with folder.opened(file.name) as stream:
        return TTML_MARK in stream.read(TTML_HEAD_BYTES)


def _read(context: Context, run: Run, name: str, state: Sequence[int]) -> ReadFile:
    branch, said = _branch(context, name, state), said_of(context, name)
    tools, path = run.resources.tools, local_path(context, run, name)
    with path.open("rb") as stream:
        check_complete(stream)
    document = streams(path, tools)
    source = parse_source(document)
    if source.video:
        material = read_material(path, tools)
        begin = material.timeline.start_seconds
        return ReadFile(MediaFile(name, material.source, begin, **said), branch, material)
    extents = Extents()
    read_packets(path, tools, extents.read)
    heard = [
        replace(track, start_seconds=extent.start_seconds, end_seconds=extent.end_seconds)
        for track in source.audio
        if (extent := extents.of(track.index)).packets
    ]
    begin = origin_of(source.format_name, str(document["format"].get("start_time", "")))
    return ReadFile(MediaFile(name, replace(source, audio=tuple(heard)), begin, **said), branch)


def _branch(context: Context, name: str, state: Sequence[int]) -> Mapping[str, Any]:
    path = joined(context["source_folder"], name)
    if key := context[KEYS].get(name):
        return {"url": path, "source_key": key}
    return {"url": path, "source_path": path, "source_state": list(state)}


TASKS = (find_sources,)
