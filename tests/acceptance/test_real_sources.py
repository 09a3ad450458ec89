"""Assets that `adaptation encode` makes of real footage, judged by nobody's word but the files'."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import pytest

import clips
import judges
from command_line import here, started
from judges import MANIFEST, MASTER, Decoded, Listed
from kinds import kinds
from services import wait_until

GRID_SECONDS = 4
TOLERANCE_SECONDS = Fraction(1, 20)
RATE_HEADROOM = Fraction(11, 10)
"""How far above what is measured a bandwidth may be announced."""
BUFFER_SECONDS = 2
"""A rendition may exceed its bit rate by what a player buffers in this time."""
FAST = ("--preset", "ultrafast")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Asset:
    """An asset with what it was made of."""

    source: Path
    folder: Path

    @cached_property
    def source_picture(self) -> dict[str, Any]:
        return next(s for s in judges.streams(self.source) if s["codec_type"] == "video")

    @cached_property
    def source_sounds(self) -> list[dict[str, Any]]:
        return [s for s in judges.streams(self.source) if s["codec_type"] == "audio"]

    @cached_property
    def pictures(self) -> list[Listed]:
        return judges.hls_pictures(self.folder)

    @cached_property
    def sounds(self) -> list[Listed]:
        return judges.hls_sounds(self.folder)

    @property
    def tracks(self) -> list[Listed]:
        return [*self.pictures, *self.sounds]

    @cached_property
    def decoded(self) -> dict[str, tuple[list[Decoded], str]]:
        """All streams of both manifests, and what FFmpeg had to say of them."""
        return {name: judges.decode(self.folder / name) for name in (MASTER, MANIFEST)}

    def probed(self, track: Listed) -> dict[str, Any]:
        """What ffprobe says of a track."""
        return judges.streams(self.playlist(track))[0]

    def playlist(self, track: Listed) -> Path:
        return self.folder / track.name / "playlist.m3u8"


def encode(source: Path, folder: Path, *options: str) -> Asset:
    """`adaptation encode SOURCE FOLDER OPTIONS…`, which must end well."""
    ended = here("encode", source, folder, *options, "--quiet")
    assert ended.status == 0, ended.err
    return Asset(source, folder)


def make_minute(folder: Path, clip: Path) -> Path:
    """60 s of real footage in 1080p at 25 fps with sound, H.264 + AAC.

    `-vf scale=1920:1080` of Big Buck Bunny, then `-stream_loop 11 … -t 60` of the result.
    """
    scale = "-vf scale=1920:1080:flags=fast_bilinear -crf 28 -an"
    clips.ffmpeg(folder, f"-i '{clip}' {scale} {clips.X264} large.mp4")
    loops = f"-stream_loop 11 -i large.mp4 -stream_loop 11 -i '{clip}' -map 0:v -map 1:a"
    return clips.ffmpeg(folder, f"{loops} -c:v copy -c:a aac -ac 2 -t 60 minute.mp4")


@pytest.fixture(
    scope="session",
    params=kinds(("bigbuckbunny", "bikes", "minute"), seldom=("bikes", "minute")),
)
def asset(
    request: pytest.FixtureRequest,
    real_clips: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Asset:
    """Each real source, encoded with the default ladder; the long one, which could be copied, with
    `--preset ultrafast --passthrough never`."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "minute":
        source = make_minute(folder / "source", real_clips["bigbuckbunny.mp4"])
        return encode(source, folder / "asset", "--passthrough", "never", *FAST)
    return encode(real_clips[f"{request.param}.mp4"], folder / "asset")


def check_files(asset: Asset) -> None:
    """The folder holds what its record promises, byte by byte, and nothing else."""
    assert judges.tree(asset.folder) == judges.promised(asset.folder)
    assert judges.media_digests(asset.folder) == judges.promised_digests(asset.folder)
    assert [path.name for path in asset.folder.parent.iterdir() if path.name[0] == "."] == []


def check_same_segments(asset: Asset) -> None:
    """HLS and DASH name the same segments in the same order, all exist, none is left out."""
    from_dash = {t.name: (t.init, t.segments) for t in judges.dash_tracks(asset.folder)}
    assert {t.name: (t.init, t.segments) for t in asset.tracks} == from_dash
    named = frozenset[str]().union(*(track.files for track in asset.tracks))
    named |= frozenset().union(*(text.files for text in judges.hls_texts(asset.folder)))
    named |= frozenset().union(*(text.files for text in judges.dash_text_tracks(asset.folder)))
    named |= {f"{folder}/subtitles.vtt" for folder in judges.dash_texts(asset.folder)}
    assert named == set(judges.media_digests(asset.folder))


def test_the_folder_holds_what_its_record_promises_and_nothing_else(asset: Asset) -> None:
    check_files(asset)


def test_hls_and_dash_name_the_same_segments(asset: Asset) -> None:
    check_same_segments(asset)


@pytest.mark.parametrize("manifest", [MASTER, MANIFEST])
def test_everything_decodes_and_every_frame_is_there(asset: Asset, manifest: str) -> None:
    streams, complaints = asset.decoded[manifest]
    assert complaints == ""
    pictures = [stream for stream in streams if stream.kind == "video"]
    frames = int(asset.source_picture["nb_read_packets"])
    assert [len(stream.starts) for stream in pictures] == [frames] * len(asset.pictures)
    sizes = {stream.size for stream in pictures}
    assert sizes == {f"{width}x{height}" for width, height in (t.size for t in asset.pictures)}
    for track in asset.pictures:
        assert int(asset.probed(track)["nb_read_packets"]) == frames


@pytest.mark.parametrize("manifest", [MASTER, MANIFEST])
def test_pictures_and_sound_last_as_long_as_the_sources(asset: Asset, manifest: str) -> None:
    streams, _ = asset.decoded[manifest]
    sounds = [stream for stream in streams if stream.kind == "audio"]
    assert len(sounds) == len(asset.source_sounds)
    for stream in streams:
        if stream.kind == "video":
            assert_lasts(asset.source_picture, stream.duration_seconds)
    for stream, source in zip(sounds, asset.source_sounds, strict=True):
        assert_lasts(source, stream.duration_seconds)


def assert_lasts(source: dict[str, Any], seconds: Fraction) -> None:
    assert abs(Fraction(source["duration"]) - seconds) <= TOLERANCE_SECONDS


def test_key_frames_of_all_renditions_fall_together_on_the_grid(asset: Asset) -> None:
    times = [judges.key_times(asset.playlist(track)) for track in asset.pictures]
    seconds = Fraction(asset.source_picture["duration"])
    # The first segment is short, so that it is soon there.
    points = {1, *range(0, ceil(seconds), GRID_SECONDS)}
    for track, found in zip(asset.pictures, times, strict=True):
        assert found == sorted(points)
        assert len(track.segments) == len(points)


def test_playlists_tell_the_durations(asset: Asset) -> None:
    promised = {t["name"]: t["duration_seconds"] for t in judges.record(asset.folder)["tracks"]}
    for track in asset.tracks:
        # RFC 8216 §4.3.3.1: rounded to the nearest whole, none is longer than the target.
        assert max(int(s + Fraction(1, 2)) for s in track.durations) <= track.target_duration
        assert float(sum(track.durations)) == pytest.approx(promised[track.name], abs=1e-6)
    for track in asset.pictures:
        assert_lasts(asset.source_picture, sum(track.durations, Fraction(0)))
    for track, source in zip(asset.sounds, asset.source_sounds, strict=True):
        assert_lasts(source, sum(track.durations, Fraction(0)))


def test_bandwidths_are_measured_not_guessed(asset: Asset) -> None:
    """RFC 8216 §4.3.4.2; the most expensive sound counts with every picture."""
    for bandwidth_of, name in (
        (judges.peak_bandwidth, "bandwidth"),
        (judges.average_bandwidth, "average_bandwidth"),
    ):
        sound = max((bandwidth_of(asset.folder, s) for s in asset.sounds), default=Fraction(0))
        for track in asset.pictures:
            measured = bandwidth_of(asset.folder, track) + sound
            assert measured <= getattr(track, name) <= RATE_HEADROOM * measured
    announced = {track.name: track.bandwidth for track in judges.dash_tracks(asset.folder)}
    for track in asset.tracks:
        measured = judges.peak_bandwidth(asset.folder, track)
        assert measured <= announced[track.name] <= RATE_HEADROOM * measured


def test_codecs_sizes_and_rates_are_those_of_the_media(asset: Asset) -> None:
    in_dash = {track.name: track for track in judges.dash_tracks(asset.folder)}
    sound_codecs = [judges.codec_of(asset.folder, track) for track in asset.sounds]
    for track in asset.pictures:
        codec, facts = judges.codec_of(asset.folder, track), asset.probed(track)
        assert track.codecs.split(",") == [codec, *dict.fromkeys(sound_codecs)]
        assert in_dash[track.name].codecs == codec
        for listed in (track, in_dash[track.name]):
            assert listed.size == (facts["width"], facts["height"])
            assert listed.frame_rate == Fraction(facts["avg_frame_rate"])
    for track, codec in zip(asset.sounds, sound_codecs, strict=True):
        assert in_dash[track.name].codecs == codec


def test_every_playlist_says_that_its_segments_are_independent(asset: Asset) -> None:
    playlists = [asset.folder / MASTER, *(asset.playlist(track) for track in asset.tracks)]
    for playlist in playlists:
        assert "#EXT-X-INDEPENDENT-SEGMENTS" in playlist.read_text().splitlines()


def check_decodes(asset: Asset) -> None:
    """Both manifests decode without a word, and each rendition has every frame."""
    frames = int(asset.source_picture["nb_read_packets"])
    for streams, complaints in asset.decoded.values():
        assert complaints == ""
        counts = [len(stream.starts) for stream in streams if stream.kind == "video"]
        assert counts == [frames] * len(asset.pictures)


def test_renditions_asked_for_are_made_as_asked(
    real_clips: dict[str, Path], tmp_path: Path
) -> None:
    options = ("--rendition", "good:360:600", "--rendition", "180:250", "--verify", "full", *FAST)
    asset = encode(real_clips["bigbuckbunny.mp4"], tmp_path / "asset", *options)
    made = {track.name: track.size for track in asset.pictures}
    assert made == {"good": (640, 360), "180p": (320, 180)}
    assert judges.record(asset.folder)["parameters"]["verify"] == "full"
    for name, bitrate in (("good", 600_000), ("180p", 250_000)):
        assert_never_above(judges.packets(asset.folder / name / "playlist.m3u8"), bitrate)
    check_files(asset)
    check_decodes(asset)


def assert_never_above(packets: list[dict[str, Any]], bitrate: int) -> None:
    """A buffer filled at `bitrate` that holds `BUFFER_SECONDS` of it never runs empty."""
    rows = sorted((Fraction(row["pts_time"]), 8 * int(row["size"])) for row in packets)
    room = full = Fraction(BUFFER_SECONDS * bitrate)
    times = [time for time, _ in rows]
    for (_, bits), (shown, after) in zip(rows, pairwise([*times, times[-1]]), strict=True):
        assert room >= bits
        room = min(full, room - bits + (after - shown) * bitrate)


def test_a_rotated_portrait_clip_stands_upright(tmp_path: Path) -> None:
    source = clips.make_rotated(tmp_path / "clip")
    asset = encode(source, tmp_path / "asset", *FAST)
    for track in [*asset.pictures, *judges.dash_tracks(asset.folder)]:
        width, height = track.size
        assert width < height
    assert asset.pictures[0].size == (180, 320)
    # No matrix is left that would turn the picture a second time.
    assert "side_data_list" not in asset.probed(asset.pictures[0])
    check_files(asset)
    check_decodes(asset)


def test_two_languages_are_told_apart_everywhere(tmp_path: Path) -> None:
    source = clips.make_two_languages(tmp_path / "clip")
    asset = encode(source, tmp_path / "asset", *FAST)
    assert [track.language for track in asset.sounds] == ["en", "fr"]
    in_dash = [track.language for track in judges.dash_tracks(asset.folder) if not track.size[0]]
    assert in_dash == ["en", "fr"]
    recorded = [t for t in judges.record(asset.folder)["tracks"] if t["kind"] == "audio"]
    assert [track["language"] for track in recorded] == ["eng", "fra"]
    assert [track["folder"] for track in recorded] == [track.name for track in asset.sounds]
    check_same_segments(asset)
    check_decodes(asset)


def test_half_of_the_frames_are_left_out_on_request(tmp_path: Path) -> None:
    fast = f"{clips.picture(rate='60000/1001')} {clips.beep()} {clips.X264} -bf 2 -c:a aac fast.mp4"
    source = clips.ffmpeg(tmp_path / "clip", fast)
    asset = encode(source, tmp_path / "asset", "--max-frame-rate", "30", *FAST)
    frames = int(asset.source_picture["nb_read_packets"])
    for streams, complaints in asset.decoded.values():
        assert complaints == ""
        for stream in streams:
            if stream.kind == "video":
                assert len(stream.starts) == -(-frames // 2)
                assert_lasts(asset.source_picture, stream.duration_seconds)
    for track in [*asset.pictures, *judges.dash_tracks(asset.folder)]:
        if track.size != (0, 0):
            assert float(track.frame_rate) == pytest.approx(30_000 / 1001, abs=0.001)
    assert judges.record(asset.folder)["parameters"]["max_frame_rate"] == 30
    check_files(asset)


def test_surround_sound_is_made_on_request(real_clips: dict[str, Path], tmp_path: Path) -> None:
    options = ("--surround", "--rendition", "180:300", *FAST)
    asset = encode(real_clips["bigbuckbunny.mp4"], tmp_path / "asset", *options)
    names = ["audio_und", "audio_und_51"]
    assert [track.name for track in asset.sounds] == names
    for track, channels in zip(asset.sounds, (2, 6), strict=True):
        facts = asset.probed(track)
        assert facts["channels"] == channels
        assert_lasts(asset.source_sounds[0], sum(track.durations, Fraction(0)))
    assert [track.name for track in judges.dash_tracks(asset.folder)][1:] == names
    check_files(asset)
    for _, complaints in asset.decoded.values():
        assert complaints == ""


def test_subtitles_of_a_source_are_tracks_of_their_own(tmp_path: Path) -> None:
    source = clips.make_subtitled_mkv(tmp_path / "clip")
    asset = encode(source, tmp_path / "asset", "--segment-seconds", "1", *FAST)
    texts = judges.hls_texts(asset.folder)
    assert [text.name for text in texts] == ["text_en", "text_en_2", "text_de"]
    for text in texts:
        assert text.durations == asset.pictures[0].durations
        assert text.target_duration == asset.pictures[0].target_duration
    check_files(asset)
    check_same_segments(asset)
    check_decodes(asset)


def test_a_manifest_decodes_from_wherever_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(clips.make_plain(tmp_path / "clip"), tmp_path / "asset", *FAST)
    monkeypatch.chdir(tmp_path)
    for manifest in (MASTER, MANIFEST):
        streams, complaints = judges.decode(Path("asset", manifest))
        assert complaints == ""
        assert streams


def test_the_same_command_again_says_so_and_touches_nothing(tmp_path: Path) -> None:
    source, folder = clips.make_plain(tmp_path / "clip"), tmp_path / "asset"
    encode(source, folder, *FAST)
    before = states(folder)

    again = here("encode", source, folder, *FAST)

    assert (again.status, again.last_line) == (0, str(folder))
    assert "already there" in again.err
    assert states(folder) == before


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of the last change, in nanoseconds, of everything in a folder."""
    facts = {name: (folder / name).stat() for name in judges.tree(folder)}
    return {name: (state.st_ino, state.st_mtime_ns) for name, state in facts.items()}


class Player(threading.Thread):
    """Opens an asset from its master playlist down, again and again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="player", daemon=True)
        self.folder = folder
        self.rounds = 0
        """How often everything was opened."""
        self.versions: list[str] = []
        """Each master playlist seen, when it was another than the one before."""
        self.missing: list[str] = []
        """What was not there, although the master that leads to it still was."""
        self._enough = threading.Event()

    def run(self) -> None:
        while not self._enough.is_set():
            self._open_all()
            self.rounds += 1
            time.sleep(0)

    def stop(self) -> None:
        self._enough.set()
        self.join()

    def _open_all(self) -> None:
        try:
            master = (self.folder / MASTER).read_text()
        except OSError as error:
            self.missing.append(str(error))
            return
        if self.versions[-1:] != [master]:
            self.versions.append(master)
        try:
            self._open_tracks()
        except OSError as error:
            # After the switch a player that holds the old master must begin anew; before it, never.
            if (self.folder / MASTER).read_text() == master:
                self.missing.append(str(error))

    def _open_tracks(self) -> None:
        tracks = [*judges.hls_pictures(self.folder), *judges.hls_sounds(self.folder)]
        for name in frozenset[str]().union(*(track.files for track in tracks)):
            os.close(os.open(self.folder / name, os.O_RDONLY))


def test_an_asset_is_replaced_in_one_moment_under_a_players_eyes(tmp_path: Path) -> None:
    source, folder = clips.make_plain(tmp_path / "clip"), tmp_path / "out" / "asset"
    encode(source, folder, "--rendition", "old:180:300", *FAST)
    player = Player(folder)
    player.start()
    try:
        with started("encode", source, folder, "--rendition", "new:90:100", "--overwrite") as run:
            assert wait_until(lambda: run.poll() is not None, 60)
        seen = player.rounds
        assert wait_until(lambda: player.rounds > seen + 1)
    finally:
        player.stop()

    assert run.returncode == 0
    assert player.missing == []
    assert ["old/" in text for text in player.versions] == [True, False]
    assert [path.name for path in folder.parent.iterdir()] == ["asset"]
    assert [track.name for track in judges.hls_pictures(folder)] == ["new"]
    check_files(Asset(source, folder))
