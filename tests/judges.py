"""Judges an asset folder from outside: FFmpeg, ffprobe, hashlib and readers of others.

Nothing here asks the product anything: every number is measured again from the files.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import m3u8  # type: ignore[import-untyped]
import psutil
from lxml import etree

import clips

MASTER, MANIFEST, RECORD = "master.m3u8", "manifest.mpd", "asset.json"
MPD = "{urn:mpeg:dash:schema:mpd:2011}"
TOOL_SECONDS = 180
PROFILES = {"Constrained Baseline": 66, "Baseline": 66, "Main": 77, "High": 100}
"""`profile_idc` of H.264 by ffprobe's name, ISO/IEC 14496-10 §A.2."""


@dataclass(frozen=True)
class Listed:
    """One track as a manifest lists it."""

    name: str
    """The track's folder."""
    init: str
    """Init segment, relative to the asset; empty for text, which has none."""
    segments: tuple[str, ...]
    """Media segments in order, relative to the asset."""
    durations: tuple[Fraction, ...]
    """Seconds that the manifest says each segment lasts."""
    target_duration: int = 0
    """Seconds; 0 in DASH, which has none."""
    bandwidth: int = 0
    """Bits per second; in HLS of a picture with its sound, 0 for sound alone."""
    average_bandwidth: int = 0
    """Bits per second; HLS only."""
    codecs: str = ""
    """RFC 6381 names; in HLS of a picture and its sound."""
    size: tuple[int, int] = (0, 0)
    """Width and height; 0 for sound."""
    frame_rate: Fraction = Fraction(0)
    """Frames per second; 0 for sound."""
    language: str = ""
    """BCP 47 tag of sound; empty when none is said."""

    @property
    def files(self) -> frozenset[str]:
        """Everything that a player of this track fetches beside playlists."""
        return frozenset({self.init, *self.segments} - {""})


@dataclass(frozen=True)
class Decoded:
    """One stream after all of it went through FFmpeg's decoder."""

    kind: str
    """`video` or `audio`."""
    size: str
    """Such as `640x360`; empty for sound."""
    starts: tuple[Fraction, ...]
    """When each picture or block of sound is presented, in seconds."""
    duration_seconds: Fraction
    """From the first one's start to the last one's end."""


def tree(folder: Path) -> set[str]:
    """All files and folders inside a folder, by their relative paths."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def record(folder: Path) -> dict[str, Any]:
    """What `asset.json` says."""
    document: dict[str, Any] = json.loads((folder / RECORD).read_bytes())
    return document


def promised(folder: Path) -> set[str]:
    """The tree that `asset.json` promises."""
    names = {MASTER, MANIFEST, RECORD}
    document = record(folder)
    for track in document["tracks"]:
        place = _place(document, track)
        names |= {place, track["playlist"]}
        names |= {f"{place}/{name}" for name in _digests(track)}
    return names


def promised_digests(folder: Path) -> dict[str, tuple[int, str]]:
    """Size in bytes and SHA-256 that `asset.json` says of each media file.

    Of a file with all segments of a track it says those of its parts: they must be there, one
    behind the other up to its end, for the file to be what is promised.
    """
    document, found = record(folder), {}
    for track in document["tracks"]:
        place = _place(document, track)
        for name, facts in _digests(track).items():
            parts = [one for one in track["segments"] if "offset" in one and one["name"] == name]
            whole = facts if not parts else _joined((folder / place / name).read_bytes(), track)
            found[f"{place}/{name}"] = whole
    return found


def _joined(content: bytes, track: Mapping[str, Any]) -> tuple[int, str]:
    """Size and digest of a file whose parts are all that is promised; else of nothing."""
    parts = [(0, track["init_size_bytes"], track["init_sha256"])]
    parts += [(one["offset"], one["size_bytes"], one["sha256"]) for one in track["segments"]]
    ends = [start + size for start, size, _ in parts]
    # Between the init segment and the first media segment is the index.
    assert content[ends[0] + 4 : ends[0] + 8] == b"sidx"
    assert ends[0] + int.from_bytes(content[ends[0] : ends[0] + 4], "big") == parts[1][0]
    assert [*(start for start, *_ in parts[2:]), len(content)] == ends[1:]
    for start, size, digest in parts:
        assert hashlib.sha256(content[start : start + size]).hexdigest() == digest
    return len(content), hashlib.sha256(content).hexdigest()


def _place(document: Mapping[str, Any], track: Mapping[str, Any]) -> str:
    return str(PurePosixPath(document.get("base", ""), track["folder"]))


def _digests(track: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    whole = "file" if track["kind"] == "text" else "init"
    facts = (track[f"{whole}_size_bytes"], track[f"{whole}_sha256"])
    segments = {s["name"]: (s["size_bytes"], s["sha256"]) for s in track["segments"]}
    media = _digests({"kind": "media", **track["media"]}) if track.get("media") else {}
    return {track[f"{whole}_name"]: facts, **segments, **media}


def media_digests(folder: Path) -> dict[str, tuple[int, str]]:
    """Size in bytes and SHA-256 of each file of media or text under a folder, as they are."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".mp4", ".m4s", ".vtt"}:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            found[path.relative_to(folder).as_posix()] = (len(content), digest)
    return found


def hls_pictures(folder: Path) -> list[Listed]:
    """The renditions of the master playlist, read by PyPI's `m3u8`."""
    found = []
    for entry in m3u8.load(str(folder / MASTER)).playlists:
        facts = entry.stream_info
        found.append(
            _playlist(
                folder,
                entry.uri,
                bandwidth=facts.bandwidth,
                average_bandwidth=facts.average_bandwidth,
                codecs=facts.codecs,
                size=tuple(facts.resolution),
                frame_rate=Fraction(str(facts.frame_rate)),
            )
        )
    return found


def hls_sounds(folder: Path) -> list[Listed]:
    """The sound tracks of the master playlist."""
    return [
        _playlist(folder, entry.uri, language=entry.language or "")
        for entry in media_of(folder, "AUDIO")
    ]


def hls_texts(folder: Path) -> list[Listed]:
    """The subtitle tracks of the master playlist."""
    return [
        _playlist(folder, entry.uri, language=entry.language or "")
        for entry in media_of(folder, "SUBTITLES")
    ]


def media_of(folder: Path, kind: str) -> list[Any]:
    """The entries of `EXT-X-MEDIA` of one type, as PyPI's `m3u8` reads them."""
    return [entry for entry in m3u8.load(str(folder / MASTER)).media if entry.type == kind]


def _playlist(folder: Path, uri: str, **facts: Any) -> Listed:
    read = m3u8.load(str(folder / uri))
    inside = uri.rpartition("/")[0]
    inits = {part.init_section and part.init_section.uri for part in read.segments}
    assert len(inits) == 1
    init = inits.pop()
    return Listed(
        name=inside,
        init=f"{inside}/{init}" if init else "",
        segments=tuple(f"{inside}/{part.uri}" for part in read.segments),
        durations=tuple(Fraction(str(part.duration)) for part in read.segments),
        target_duration=read.target_duration,
        **facts,
    )


def dash_tracks(folder: Path) -> list[Listed]:
    """The representations of the manifest, pictures first, read by lxml."""
    sets = _sets(folder)
    return list(_representations([s for s in sets if s.get("contentType") != "text"]))


def dash_text_tracks(folder: Path) -> list[Listed]:
    """The representations of the manifest that are subtitles."""
    return list(_representations(_text_sets(folder)))


def _sets(folder: Path) -> list[etree._Element]:
    return list(etree.parse(folder / MANIFEST).getroot().iter(f"{MPD}AdaptationSet"))


def _text_sets(folder: Path) -> list[etree._Element]:
    return [one for one in _sets(folder) if one.get("contentType") == "text"]


def _representations(sets: Sequence[etree._Element]) -> Iterator[Listed]:
    for group in sets:
        for entry in group.iter(f"{MPD}Representation"):
            template = next(entry.iter(f"{MPD}SegmentTemplate"))
            durations = tuple(_durations(template))
            first = int(template.attrib["startNumber"])
            numbers = range(first, first + len(durations))
            yield Listed(
                name=entry.get("id", ""),
                init=template.get("initialization", ""),
                segments=tuple(_numbered(template.get("media", ""), n) for n in numbers),
                durations=durations,
                bandwidth=int(entry.attrib["bandwidth"]),
                codecs=entry.get("codecs", ""),
                size=(int(entry.get("width", "0")), int(entry.get("height", "0"))),
                frame_rate=Fraction(entry.get("frameRate", "0")),
                language=group.get("lang", ""),
            )


def indexed_tracks(folder: Path) -> dict[str, list[tuple[int, int, Fraction]]]:
    """Offset, length and seconds of all segments that DASH leads to by an index, by the track."""
    found = {}
    for entry in etree.parse(folder / MANIFEST).iter(f"{MPD}Representation"):
        for base in entry.iter(f"{MPD}SegmentBase"):
            first, last = map(int, base.get("indexRange", "").split("-"))
            file = folder / entry.findtext(f"{MPD}BaseURL", "")
            box = file.read_bytes()[first : last + 1]
            assert (int.from_bytes(box[:4], "big"), box[4:9]) == (len(box), b"sidx\x01")
            # ISO/IEC 14496-12 §8.16.3: where the first one starts, and the size of each.
            timescale, start, gap, count = struct.unpack_from(">IQQxxH", box, 16)
            assert (timescale, start) == (int(base.attrib["timescale"]), 0)
            offset, segments = last + 1 + gap, []
            for size, lasts, sap in struct.iter_unpack(">III", box[40:]):
                assert sap == 0x90000000, "each can be entered"
                segments.append((offset, size, Fraction(lasts, timescale)))
                offset += size
            assert (len(segments), offset) == (count, file.stat().st_size)
            found[entry.get("id", "")] = segments
    return found


def dash_texts(folder: Path) -> dict[str, etree._Element]:
    """The adaptation sets of subtitles in the manifest, by the folder of each."""
    tracks = zip(dash_text_tracks(folder), _text_sets(folder), strict=True)
    return {track.init.rpartition("/")[0]: one for track, one in tracks}


@dataclass(frozen=True)
class TextBoxes:
    """What codem-isoboxer finds in the MP4 files of a track of subtitles."""

    kind: tuple[str, str, str]
    """Handler, sample entry and language."""
    spans: list[tuple[Fraction, Fraction]]
    """When each segment starts and ends, in seconds."""
    cues: list[tuple[float, float, str, str]]
    """Start, end, settings and text; one that goes on in the next sample is one."""
    empty: list[tuple[float, float]]
    """The samples that say that there is nothing."""


def text_boxes(node: str, folder: Path) -> TextBoxes:
    """Read the init segment and all segments in a track's folder."""
    files = [folder / "init.mp4", *sorted(folder.glob("*.m4s"))]
    script = Path(__file__).with_name("text_boxes.mjs")
    done = subprocess.run(
        [node, script, *files], check=True, capture_output=True, text=True, timeout=60
    )
    found = json.loads(done.stdout)
    boxes = TextBoxes((found["handler"], found["entry"], found["language"]), [], [], [])
    for segment in found["segments"]:
        start = at = Fraction(segment["start"], found["timescale"])
        for sample in segment["samples"]:
            until = at + Fraction(sample["duration"], found["timescale"])
            if sample["empty"]:
                boxes.empty.append((float(at), float(until)))
            for cue in sample["cues"]:
                _prolong(boxes.cues, (float(at), float(until), cue["settings"], cue["text"]))
            at = until
        boxes.spans.append((start, at))
    boxes.cues.sort(key=lambda cue: cue[0])
    return boxes


def _prolong(cues: list[tuple[float, float, str, str]], cue: tuple[float, float, str, str]) -> None:
    for place, (start, end, *said) in enumerate(cues):
        if end == cue[0] and said == [*cue[2:]]:
            cues[place] = (start, *cue[1:])
            return
    cues.append(cue)


def cues(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    """What FFmpeg's decoder finds in a WebVTT file: start, end and text of each cue."""
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", "-copyts", "-i", str(path)]
    done = subprocess.run(
        [*command, "-f", "srt", "-"], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    blocks = [block.split("\n", 2) for block in done.stdout.strip().split("\n\n") if block]
    spans = [(times.split(" --> "), text) for _, times, text in blocks]
    return [(_srt_time(start), _srt_time(end), text) for (start, end), text in spans]


def _srt_time(text: str) -> Fraction:
    hours, minutes, seconds = text.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)


def _durations(template: etree._Element) -> Iterator[Fraction]:
    for line in template.iter(f"{MPD}S"):
        lasts = Fraction(int(line.attrib["d"]), int(template.attrib["timescale"]))
        yield from [lasts] * (1 + int(line.get("r", "0")))


def _numbered(template: str, number: int) -> str:
    """ISO/IEC 23009-1 §5.3.9.4.4."""
    return re.sub(r"\$Number%0(\d+)d\$", lambda m: f"{number:0{m.group(1)}}", template)


def peak_bandwidth(folder: Path, track: Listed) -> Fraction:
    """The peak segment bit rate by RFC 8216 §4.1, measured from files and EXTINF.

    "The largest bit rate of any contiguous set of segments whose total duration is between 0.5
    and 1.5 times the target duration."
    """
    sizes = [(folder / name).stat().st_size for name in track.segments]
    rates = [average_bandwidth(folder, track)]
    for first in range(len(sizes)):
        for after in range(first + 1, len(sizes) + 1):
            seconds = sum(track.durations[first:after], Fraction(0))
            if track.target_duration <= 2 * seconds <= 3 * track.target_duration:
                rates.append(8 * sum(sizes[first:after]) / seconds)
    return max(rates)


def average_bandwidth(folder: Path, track: Listed) -> Fraction:
    """The average segment bit rate by RFC 8216 §4.1."""
    bits = 8 * sum((folder / name).stat().st_size for name in track.segments)
    return bits / sum(track.durations, Fraction(0))


def codec_of(folder: Path, track: Listed) -> str:
    """The RFC 6381 name: H.264 from the bytes of `avcC`, AAC from what ffprobe finds."""
    content = (folder / track.init).read_bytes()
    stream = streams(folder / track.name / "playlist.m3u8")[0]
    if stream["codec_type"] == "audio":
        assert (stream["codec_name"], stream["profile"]) == ("aac", "LC")
        return "mp4a.40.2"
    # ISO/IEC 14496-15 §5.3.3.1: version, profile, compatibility, level.
    start = content.index(b"avcC") + 5
    profile, _, level = content[start : start + 3]
    assert (profile, level) == (PROFILES[stream["profile"]], stream["level"])
    return f"avc1.{content[start : start + 3].hex()}"


def streams(path: Path) -> list[dict[str, Any]]:
    """What ffprobe says of each stream, with all its packets counted."""
    document = _ffprobe("-count_packets", "-show_streams", str(path))
    found: list[dict[str, Any]] = document["streams"]
    return found


def packets(path: Path) -> list[dict[str, Any]]:
    """All packets that ffprobe finds, each with `pts_time`, `size` and `flags`."""
    document = _ffprobe("-show_entries", "packet=pts_time,size,flags", str(path))
    found: list[dict[str, Any]] = document["packets"]
    return found


def packets_of(path: Path, stream: str) -> list[tuple[Fraction, Fraction]]:
    """Start and end of each packet of one stream that holds something, by the source's clock."""
    entries = "packet=pts_time,duration_time,size"
    rows = _ffprobe("-select_streams", stream, "-show_entries", entries, str(path))["packets"]
    spans = [(Fraction(r["pts_time"]), Fraction(r["duration_time"]), int(r["size"])) for r in rows]
    # Two bytes are a text of length zero: how MP4 fills the time between two cues.
    return [(start, start + lasts) for start, lasts, size in spans if size > 2]


def key_times(playlist: Path) -> list[Fraction]:
    """When the key frames of a playlist are shown, in seconds from its first frame."""
    rows = packets(playlist)
    first = min(Fraction(row["pts_time"]) for row in rows)
    return [Fraction(row["pts_time"]) - first for row in rows if "K" in row["flags"]]


def decode(path: Path) -> tuple[list[Decoded], str]:
    """Decode pictures and sound of a manifest; the streams, and whatever FFmpeg had to say."""
    # Local files that a manifest names must have one of a few suffixes, and `.vtt` is none of them.
    any_name = ["-allowed_extensions", "ALL"] if path.name == MANIFEST else []
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", *any_name, "-i", str(path)]
    # All streams: FFmpeg stops reading unused renditions in mid-packet, and complains about it.
    command += [
        "-map",
        "0:v",
        "-map",
        "0:a?",
        "-fps_mode",
        "passthrough",
        "-enc_time_base:v",
        "1/90000",
    ]
    command += ["-f", "framecrc", "-"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=TOOL_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return _decoded(done.stdout.splitlines()), done.stderr


def _decoded(lines: list[str]) -> list[Decoded]:
    headers = [re.match(r"#(\w+) (\d+): (.+)", line) for line in lines if line[0] == "#"]
    facts = {(m.group(1), int(m.group(2))): m.group(3) for m in headers if m}
    rows: dict[int, list[tuple[Fraction, Fraction]]] = {}
    for line in lines:
        if line[0] != "#":
            stream, _, pts, lasts, *_ = map(str.strip, line.split(","))
            tick = Fraction(facts["tb", int(stream)])
            start = int(pts) * tick
            rows.setdefault(int(stream), []).append((start, start + int(lasts) * tick))
    return [
        Decoded(
            kind=facts["media_type", stream],
            size=facts.get(("dimensions", stream), ""),
            starts=tuple(start for start, _ in spans),
            duration_seconds=spans[-1][1] - spans[0][0],
        )
        for stream, spans in sorted(rows.items())
    ]


def _ffprobe(*words: str) -> dict[str, Any]:
    command = [str(clips.tools().ffprobe), "-v", "error", "-of", "json", *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TOOL_SECONDS)
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def processes_of(home: Path) -> list[str]:
    """The command lines of all processes that work for the engine whose home this is."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ADAPTATION_HOME") == str(home) and not _is_us(process):
                found.append(" ".join(process.cmdline()) or process.name())
        except (psutil.Error, OSError):
            continue  # it has gone, or is somebody else's
    return found


def _is_us(process: psutil.Process) -> bool:
    return process.pid == psutil.Process().pid
