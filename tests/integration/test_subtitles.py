"""Subtitles and chapters of real sources, from the command to files that FFmpeg reads back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import clips
import judges
import services
from adaptation.adapters import ffmpeg
from adaptation.media.inspection import Inspection
from command_line import Ended, here

ROOT = Path(__file__).resolve().parent.parent.parent
OPTIONS = ("--segment-seconds", "1", "--preset", "ultrafast", "--quiet")
MAP = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000"


@dataclass(frozen=True)
class Made:
    """An asset, and what was said on the way."""

    folder: Path
    log: list[str]
    """Warnings in the job's log."""
    told: dict[str, str]
    """What each branch's notification says became of it."""

    @property
    def chapters(self) -> list[tuple[float, float, str]]:
        found = judges.record(self.folder)["chapters"]
        return [(c["start_seconds"], c["end_seconds"], c["title"]) for c in found]

    def cues(self, name: str) -> list[tuple[float, float, str]]:
        """Start, end and text of each cue that FFmpeg finds in a file."""
        found = judges.cues(self.folder / name)
        return [(float(start), float(end), text) for start, end, text in found]


def encode(source: Path, folder: Path, **environment: str) -> Made:
    ended = here("encode", source, folder, *OPTIONS, **environment)
    assert ended.status == 0, ended.err
    lines = here("logs", 1, "--json").documents
    told = here("watch", 1, "--json").documents
    return Made(
        folder,
        [line["message"] for line in lines if line["severity"] == 30],
        {message["quality"]: message["status"] for message in told},
    )


def test_two_languages_of_an_mp4_are_put_into_segments(tmp_path: Path) -> None:
    made = encode(clips.make_subtitled_mp4(tmp_path), tmp_path / "asset")
    english = [(0.2, 0.9, "Hello\n<i>world</i>"), (1.2, 2.0, "I <3 R&B")]
    french = (0.4, 1.6, "Ça va, 日本 ?")
    assert made.cues("text_en/subtitles.vtt") == english
    assert made.cues("text_en/00001.vtt") == english[:1]
    assert made.cues("text_en/00002.vtt") == english[1:]
    for name in ("subtitles", "00001", "00002"):
        assert made.cues(f"text_fr/{name}.vtt") == [french]
    # The list of all segments is read as well as each of them.
    assert made.cues("text_en/playlist.m3u8") == english
    assert judges.media_of(made.folder, "SUBTITLES")[1].name == "Paris"
    assert made.chapters == [(0.0, 0.8, "One"), (0.8, 2.0, 'Zwölf "12"')]
    assert made.log == []


def test_subtitles_begin_with_the_picture_whatever_its_clock_says(tmp_path: Path) -> None:
    made = encode(clips.make_subtitled_mkv(tmp_path), tmp_path / "asset")
    shown = [(0.4, 1.8, "all along"), (0.8, 1.8, "in the middle"), (1.9, 2.0, "past the end")]
    assert made.cues("text_en/subtitles.vtt") == shown
    assert made.cues("text_en/00001.vtt") == shown[:2]
    assert made.cues("text_en/00002.vtt") == shown
    assert made.cues("text_en_2/subtitles.vtt") == [(0.5, 1.5, "Sign\n<b>EXIT</b>")]
    whole = (made.folder / "text_de/subtitles.vtt").read_text()
    assert "00:00:00.100 --> 00:00:01.900 line:0 align:left\n<v Bob>[door] Hi &amp; bye" in whole
    for segment in made.folder.glob("text_*/0*.vtt"):
        assert segment.read_text().startswith(f"WEBVTT\n{MAP}\n")
    forced = [entry.forced for entry in judges.media_of(made.folder, "SUBTITLES")]
    assert forced == ["NO", "YES", "NO"]
    assert made.chapters == [(0.0, 1.0, "first"), (1.0, 2.0, "rest")]


def test_what_cannot_be_text_or_says_nothing_is_left_out_and_named(tmp_path: Path) -> None:
    made = encode(clips.make_subtitled_mkv(tmp_path), tmp_path / "asset")
    assert sorted(made.log) == [
        "subtitle track 5 (subrip, und) is left out: it says nothing while there is a picture",
        "subtitle track 6 (hdmv_pgs_subtitle, und) is left out: it is made of pictures, "
        "not of text",
    ]
    assert (made.told["text_en"], made.told["text_und"]) == ("packaged", "left_out")
    assert not (made.folder / "text_und").exists()
    assert judges.tree(made.folder) == judges.promised(made.folder)
    assert judges.media_digests(made.folder) == judges.promised_digests(made.folder)


def test_dash_names_the_same_subtitles_as_hls(tmp_path: Path) -> None:
    made = encode(clips.make_subtitled_mkv(tmp_path), tmp_path / "asset")
    listed = judges.media_of(made.folder, "SUBTITLES")
    in_dash = judges.dash_texts(made.folder)
    folders = [entry.uri.partition("/")[0] for entry in listed]
    assert list(in_dash) == folders
    labels = [found.findtext(f"{judges.MPD}Label") for found in in_dash.values()]
    assert labels == [entry.name for entry in listed]
    for manifest in (judges.MASTER, judges.MANIFEST):
        streams, complaints = judges.decode(made.folder / manifest)
        assert (len(streams), complaints) == (2, "")


def test_the_segments_of_dash_say_the_same_at_the_same_times(tmp_path: Path) -> None:
    node = services.need_command("node", package="nodejs")
    services.need_node_package(ROOT, "codem-isoboxer")
    made = encode(clips.make_subtitled_mkv(tmp_path), tmp_path / "asset")
    english = judges.text_boxes(node, made.folder / "text_en")
    assert english.kind == ("text", "wvtt", "eng")
    whole = made.cues("text_en/subtitles.vtt")
    assert [(start, end, text) for start, end, _, text in english.cues] == whole
    assert english.empty == [(0.0, 0.4), (1.8, 1.9)]
    picture = judges.dash_tracks(made.folder)[0].durations
    assert tuple(end - start for start, end in english.spans) == picture
    german = judges.text_boxes(node, made.folder / "text_de")
    assert german.cues == [(0.1, 1.9, "line:0 align:left", "<v Bob>[door] Hi &amp; bye</v>")]
    for track in judges.dash_text_tracks(made.folder):
        assert (track.codecs, track.durations) == ("wvtt", picture)
        # ffprobe reads the times of what it has no decoder for.
        boxes = (made.folder / name for name in (track.init, *track.segments))
        joined = tmp_path / f"{track.name}.mp4"
        joined.write_bytes(b"".join(path.read_bytes() for path in boxes))
        packets = judges.packets_of(joined, "d:0")
        assert packets[0][0] == 0
        assert packets[-1][1] == sum(picture)


def test_cues_before_the_first_frame_are_cut(tmp_path: Path) -> None:
    """`-ss 0.5 -c copy`: an edit list hides the first frames, and cues stand before zero."""
    whole = clips.make_subtitled_mp4(tmp_path)
    clips.ffmpeg(tmp_path, f"-ss 0.5 -i {whole.name} -map 0:v -map 0:s -c copy cut.mp4")
    made = encode(tmp_path / "cut.mp4", tmp_path / "asset")
    _, timeline = ffmpeg.inspect(tmp_path / "cut.mp4", clips.tools(), Inspection())
    # FFmpeg itself moves the clock of a stream copy: what it says of the packets is the truth.
    stream = judges.packets_of(tmp_path / "cut.mp4", "s:0")
    spans = [(start - timeline.start_seconds, end) for start, end in stream]
    wanted = [max(0.0, float(start)) for start, end in spans if end > timeline.start_seconds]
    assert [start for start, _, _ in made.cues("text_en/subtitles.vtt")] == [
        pytest.approx(start, abs=0.001) for start in wanted
    ]


def make_latin_1(folder: Path) -> Path:
    """A text that is no UTF-8 beside one that is: `-c:s copy` of a file in Latin-1."""
    clips.write_srt(folder, "old.srt", (0.1, 0.5, "Grusz"), (0.6, 1.0, "fine"))
    old = folder / "old.srt"
    old.write_bytes(old.read_bytes().replace(b"sz", b"\xdf"))
    command = f"{clips.picture()} -i {old.name} -map 0 -map 1 {clips.X264} -c:s copy latin.mkv"
    return clips.ffmpeg(folder, command)


def test_what_is_not_readable_of_a_track_is_said_and_the_rest_is_kept(tmp_path: Path) -> None:
    made = encode(make_latin_1(tmp_path), tmp_path / "asset")
    assert made.cues("text_und/subtitles.vtt") == [(0.6, 1.0, "fine")]
    (said,) = made.log
    assert re.match(r"subtitle track 1 \(subrip, und\) was read in part: Invalid UTF-8", said)


@pytest.mark.parametrize("end", ["echo no such text >&2; exit 1", "kill -SEGV $$"])
def test_a_track_that_cannot_be_read_does_not_fail_the_film(tmp_path: Path, end: str) -> None:
    wrapped = tmp_path / "ffmpeg"
    real = clips.tools().ffmpeg
    wrapped.write_text(f'#!/bin/sh\ncase "$*" in *"-f webvtt"*) {end};; esac\nexec {real} "$@"\n')
    wrapped.chmod(0o755)
    source = clips.make_subtitled_mp4(tmp_path)
    made = encode(source, tmp_path / "asset", ADAPTATION_FFMPEG=str(wrapped))
    assert {made.told["text_en"], made.told["text_fr"]} == {"left_out"}
    lines = [line for line in made.log if "is left out" in line]
    assert [line[:27] for line in sorted(lines)] == [
        "subtitle track 2 (mov_text,",
        "subtitle track 3 (mov_text,",
    ]
    assert "SUBTITLES" not in (made.folder / judges.MASTER).read_text()
    assert judges.tree(made.folder) == judges.promised(made.folder)


def test_the_demo_shows_subtitles_among_the_tracks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended: Ended = here("demo", "--source", clips.make_subtitled_mp4(tmp_path))
    assert ended.status == 0
    assert re.search(r"^text_en +2 cues +WebVTT +\d+ +1", ended.err, re.MULTILINE)
