"""Runs FFmpeg and ffprobe on local files, shut off from networks and from other files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from adaptation.adapters.inputs import (
    ASSET_FORMATS,
    allowed_input,
    refuse_codecs,
    refused_input,
    with_guards,
)
from adaptation.adapters.process import Finished, Flag, Limits, OnLine, run
from adaptation.adapters.progress import Progress, ProgressReader
from adaptation.adapters.sandbox import Access, named_in
from adaptation.adapters.tools import Tools
from adaptation.adapters.verdict import blamed
from adaptation.errors import SourceError, ToolError

PROBE_TIMEOUT_SECONDS = 120.0
"""Reading headers takes a moment; more means that the source is hostile."""
PUT_DOWN_TO_SOURCE = frozenset(
    {"tool_failed", "tool_timeout", "tool_output_too_long", "tool_cpu_limit"}
)
"""How ffprobe ends with a source that cannot be read."""
TRIAL_TIMEOUT_SECONDS = 60.0
"""A handful of small pictures takes a second; drivers may hang."""
STALL_SECONDS = 120.0
"""FFmpeg reports progress twice a second; silence this long means that it hangs."""
LEAST_FILE_BYTES = 1024**3
"""What each output may hold, however short it is."""
FILE_BYTES_A_SECOND = 250_000_000
"""What a second adds to that: 2 Gbit/s, twice what the largest cameras write."""
PROOF_SECONDS = "0.25"
"""Length of the beginning that is decoded of everything that is encoded."""
SAMPLE_SECONDS = 2
"""Length of each piece that a sample decode looks at."""

T_co = TypeVar("T_co", covariant=True)


class Inspection(Protocol[T_co]):
    """Makes a result from the pieces of a source in the order they are read."""

    @property
    def video_index(self) -> int:
        """Stream index of the picture, known once the headers are read."""

    @property
    def times_missing(self) -> bool:
        """Whether the packets did not say when each frame is shown."""

    def read_file(self, stream: BinaryIO) -> None:
        """Look at the raw file."""

    def read_headers(self, document: Mapping[str, Any]) -> None:
        """Take ffprobe's format and streams."""

    @property
    def needs_first_frame(self) -> bool:
        """Whether the headers lack what the first frame may tell."""

    def read_first_frame(self, document: Mapping[str, Any]) -> None:
        """Take ffprobe's answer about the first frame."""

    @property
    def look_start(self) -> float | None:
        """Second of the source to look at its pictures from; none when that is not needed."""

    @property
    def look_filters(self) -> str:
        """Filters that print what they see, for `read_look`."""

    @property
    def look_seconds(self) -> float:
        """How much to look at."""

    def read_look(self, line: str) -> None:
        """Take one line of what the filters print."""

    def read_packet(self, line: str) -> None:
        """Take one packet: `stream_index,pts,dts,duration,size,flags`."""

    def restart_frames(self) -> None:
        """Forget the frames: they are read again from the decoder."""

    def read_frame(self, pts: int, duration: int) -> None:
        """Take one decoded frame of the picture."""

    def result(self) -> T_co:
        """What is known of the source."""


def inspect(path: Path, tools: Tools, inspection: Inspection[T_co]) -> T_co:
    """Read everything but the pictures of a source: bytes, headers, all packets.

    Raises:
        SourceError: `source_missing`, `source_unreadable`, `source_format_refused`, and what
            `inspection` finds.
    """
    try:
        with path.open("rb") as stream:
            inspection.read_file(stream)
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the path and its permissions.",
        ) from error
    headers = _headers(path, tools)
    refuse_codecs(headers, path.name)
    inspection.read_headers(headers)
    if inspection.needs_first_frame:
        inspection.read_first_frame(_first_frame(path, tools, inspection.video_index))
    if inspection.look_start is not None:
        _look(path, tools, inspection, inspection.look_start)
    entries = _show("packet=stream_index,pts,dts,duration,size,flags")
    probe(path, tools, entries, inspection.read_packet)
    if inspection.times_missing:
        _read_frames(path, tools, inspection)
    return inspection.result()


def _headers(path: Path, tools: Tools) -> Mapping[str, Any]:
    shown = ["-show_format", "-show_streams", "-show_chapters"]
    printed = probe(path, tools, ["-of", "json", *shown], None)
    document: Mapping[str, Any] = json.loads(printed.stdout or "{}")
    return document


def _first_frame(path: Path, tools: Tools, index: int) -> Mapping[str, Any]:
    which = ["-select_streams", str(index), "-read_intervals", "%+#1"]
    printed = probe(path, tools, [*which, "-of", "json", "-show_frames"], None)
    document: Mapping[str, Any] = json.loads(printed.stdout or "{}")
    return document


def _look(path: Path, tools: Tools, inspection: Inspection[T_co], start: float) -> None:
    """Decode a few seconds through filters that say what they see."""
    # Damaged pictures are no reason to stop, nor is a look that sees nothing.
    piece = ["-max_error_rate", "1", "-noaccurate_seek", "-ss", f"{start:.3f}"]
    piece += ["-t", str(inspection.look_seconds)]
    argv = [str(tools.ffmpeg), "-nostdin", "-hide_banner", "-v", "error"]
    argv += with_guards([*piece, "-i", _url(path)])
    argv += ["-map", f"0:{inspection.video_index}", "-vf", inspection.look_filters]
    limits = Limits(None, STALL_SECONDS)
    _run([*argv, "-f", "null", "-"], tools, on_line=inspection.read_look, limits=limits)


def _read_frames(path: Path, tools: Tools, inspection: Inspection[T_co]) -> None:
    """Ask the decoder when frames are shown: some containers (AVI, raw streams) do not say."""
    expected = 0

    def read(line: str) -> None:
        nonlocal expected
        time, duration = line.split(",")[:2]
        # FFmpeg itself goes on from the frame before when the decoder knows no better.
        pts = int(time) if time.lstrip("-").isdigit() else expected
        expected = pts + _whole(duration)
        inspection.read_frame(pts, _whole(duration))

    inspection.restart_frames()
    select = ["-select_streams", str(inspection.video_index)]
    probe(path, tools, [*select, *_show("frame=best_effort_timestamp,duration")], read)


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _show(entries: str) -> list[str]:
    return ["-of", "csv=p=0", "-show_entries", entries]


def probe(path: Path, tools: Tools, options: Sequence[str], on_line: OnLine | None) -> Finished:
    """Ask ffprobe about a source; its lines go to `on_line`, or are kept when there is none.

    Raises:
        SourceError: `source_unreadable`, `source_format_refused`, `source_picture_too_large`.
    """
    argv = [str(tools.ffprobe), "-v", "error", *allowed_input(), *options, _url(path)]
    stall = None if on_line is None else STALL_SECONDS
    timeout = PROBE_TIMEOUT_SECONDS if on_line is None else None
    try:
        access, limits = Access(reads=(path,)), Limits(None, stall, timeout)
        return _run(argv, tools, access=access, on_line=on_line, limits=limits)
    except ToolError as error:
        if refused := refused_input(error.stderr_tail, path.name):
            raise refused from error
        if error.code not in PUT_DOWN_TO_SOURCE:
            raise
        last = error.stderr_tail.rpartition("\n")[2].rpartition(": ")[2]
        raise SourceError(
            f"{path.name} is no media file that can be read: {last or error.message}",
            code="source_unreadable",
            hint="Check that it plays; accepted are mp4, mov, mkv, webm, ts, mpg, avi and others.",
        ) from error


def study(
    arguments: Sequence[str], tools: Tools, on_line: OnLine, cancelled: Flag | None = None
) -> str:
    """Run FFmpeg on a source to learn something about it.

    Args:
        arguments: inputs and outputs, one of which prints to stdout, without the program.
        tools: where FFmpeg is.
        on_line: gets each line of stdout.
        cancelled: set by anybody to stop.

    Returns:
        What FFmpeg complained about; empty if it did not.

    Raises:
        ToolError: it cannot be run to its end.
        Cancelled: `cancelled` was set.
    """
    argv = [str(tools.ffmpeg), "-nostdin", "-hide_banner", "-v", "error"]
    argv += with_guards(arguments)
    limits = Limits(cancelled, STALL_SECONDS)
    return _run(argv, tools, on_line=on_line, limits=limits).stderr_tail


def encode(
    arguments: Sequence[str],
    tools: Tools,
    *,
    expected_seconds: float,
    on_progress: Callable[[Progress], None] | None = None,
    limits: Limits | None = None,
) -> Finished:
    """Run FFmpeg to the end of an encode.

    Args:
        arguments: inputs, filters and outputs, without the program.
        tools: where FFmpeg is.
        expected_seconds: media time of the output, to tell the progress by.
        on_progress: called about twice a second in the calling thread.
        limits: when to stop it, besides when it says nothing for long.

    Raises:
        ToolError, Transient, Cancelled: as `process.run`.
        SourceError: `source_unreadable`.
    """
    follow = ProgressReader(expected_seconds, on_progress or (lambda _: None))
    argv = encode_argv(arguments, tools)
    limits = bounded(limits or Limits(), expected_seconds)
    try:
        return _run(argv, tools, on_line=follow.read, limits=limits)
    except ToolError as error:
        inputs = [Path(after).name for word, after in pairwise(arguments) if word == "-i"]
        raise blamed(error, inputs[0] if inputs else "the source") from error


def bounded(limits: Limits, expected_seconds: float) -> Limits:
    """Limits of an encode: it must not fall silent, nor write more than its length can explain.

    Args:
        limits: the caller's.
        expected_seconds: media time of the longest output; 0: not known.
    """
    most = limits.file_bytes
    if expected_seconds > 0:
        most = min(most, LEAST_FILE_BYTES + int(expected_seconds * FILE_BYTES_A_SECOND))
    return replace(limits, stall_seconds=STALL_SECONDS, file_bytes=most)


def encode_argv(arguments: Sequence[str], tools: Tools) -> list[str]:
    """The whole command of an encode."""
    argv = [str(tools.ffmpeg), "-nostdin", "-hide_banner", "-v", "error", "-y"]
    argv += ["-progress", "pipe:1", "-stats_period", "0.5"]
    return [*argv, *with_guards(arguments)]


def trial(arguments: Sequence[str], tools: Tools, cancelled: Flag | None = None) -> str:
    """Run FFmpeg on pictures it draws itself, to see whether it can; returns what it prints.

    Args:
        arguments: everything behind the program, with an input of `lavfi`.
        tools: where FFmpeg is.
        cancelled: set by anybody to stop.

    Raises:
        ToolError: it cannot; the message ends with its last words.
        Cancelled: `cancelled` was set.
    """
    argv = [str(tools.ffmpeg), "-nostdin", "-hide_banner", "-v", "error", *arguments]
    limits = Limits(cancelled, timeout_seconds=TRIAL_TIMEOUT_SECONDS)
    return _run(argv, tools, access=Access(devices=True), limits=limits).stdout


def decode(
    path: Path,
    tools: Tools,
    *,
    full: bool = False,
    duration_seconds: float = 0.0,
    cancelled: Flag | None = None,
) -> None:
    """Prove that a file made here can be decoded: all of it, or its start, middle and end.

    Args:
        path: an MP4, or an HLS or DASH manifest beside its segments.
        tools: where FFmpeg is.
        full: decode everything.
        duration_seconds: length of the file, where to find its middle and end.
        cancelled: set by anybody to stop.

    Raises:
        ToolError: `output_broken`; FFmpeg said anything at all.
    """
    pieces: list[list[str]] = [[]]
    if not full and duration_seconds > 3 * SAMPLE_SECONDS:
        starts = (0.0, duration_seconds / 2, duration_seconds - SAMPLE_SECONDS)
        pieces = [["-ss", f"{start:.3f}", "-t", str(SAMPLE_SECONDS)] for start in starts]
    for piece in pieces:
        _decode([*piece, "-i", _url(path)], ["-map", "0"], path.name, tools, cancelled)


def decode_pictures(
    paths: Sequence[Path],
    tools: Tools,
    *,
    full: bool = False,
    any_order: bool = False,
    cancelled: Flag | None = None,
) -> None:
    """Prove that encoded pictures can be decoded: all, or each key frame and the first ones.

    All tracks go through one process, for starting one costs more than decoding what it looks at.

    Args:
        paths: of MP4 files with one picture track each.
        tools: where FFmpeg is.
        full: decode everything.
        any_order: whether key frames may come out of their order when all others are skipped, as
            those of open GOPs do.
        cancelled: set by anybody to stop.

    Raises:
        ToolError: `output_broken`; FFmpeg said anything at all.
    """
    pieces = [[]] if full else [["-skip_frame", "nokey"], ["-t", PROOF_SECONDS]]
    # One thread a decoder: there are many, and more would only be set up for nothing.
    pieces = [["-threads", "1", *piece] for piece in pieces]
    inputs = [word for path in paths for piece in pieces for word in (*piece, "-i", _url(path))]
    outputs = [word for n in range(len(paths) * len(pieces)) for word in ("-map", str(n))]
    outputs += ["-vf", "setpts=N"] if any_order else []
    _decode(inputs, outputs, paths[0].name, tools, cancelled)


def _decode(
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str,
    tools: Tools,
    cancelled: Flag | None,
) -> None:
    argv = [str(tools.ffmpeg), "-nostdin", "-hide_banner", "-v", "error"]
    argv += [*with_guards(inputs, ASSET_FORMATS), *outputs]
    # Progress keeps a long decode from looking stalled. Frames keep their times, for some that
    # were skipped are no reason to repeat others.
    argv += ["-fps_mode", "passthrough", "-progress", "pipe:1", "-f", "null", "-"]
    limits = Limits(cancelled, STALL_SECONDS)
    finished = _run(argv, tools, on_line=lambda _: None, limits=limits)
    if finished.stderr_tail:
        raise ToolError(
            f"{name} does not decode cleanly: {finished.stderr_tail.partition(chr(10))[0]}",
            code="output_broken",
            stderr_tail=finished.stderr_tail,
        )


def _run(
    argv: Sequence[str],
    tools: Tools,
    *,
    limits: Limits,
    access: Access | None = None,
    on_line: OnLine | None = None,
) -> Finished:
    """Run FFmpeg or ffprobe, with the files that its command names and no other."""
    access = access or named_in(argv)
    return run(argv, access=access, within=tools.sandbox, on_line=on_line, limits=limits)


def _url(path: Path) -> str:
    """A name that FFmpeg cannot take for an option, a protocol or a pattern."""
    return f"file:{path.absolute()}"
