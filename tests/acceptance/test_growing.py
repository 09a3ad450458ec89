"""An asset can be watched while it is encoded, from its beginning to its end."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import clips
import judges
import services
from command_line import show, started

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECONDS = 12
PLAYERS = {
    "hls.js": "master.m3u8",
    "shaka-player": "manifest.mpd",
    "dash.js": "manifest.mpd",
}
NODE_PACKAGES = ("playwright-core", "hls.js", "shaka-player", "dashjs")
RUNGS = ("--rendition", "234:400", "--rendition", "144:200", "--preset", "ultrafast")
PACE = 0.6
"""Seconds of the film that are encoded in a second: players have time to start, and may wait."""
WATCH_SECONDS = 180
GRID_SECONDS = 4
NOTICE_SECONDS = 6
"""How long a player may take to notice and fetch a new segment: it asks every four seconds."""
FRAMES_AT_END_SECONDS = 0.1
"""A player that has so little left waits to be told that this is the end."""
HARMLESS = {"bufferStalledError", "bufferNudgeOnStall"}
"""What hls.js says when it waits for the encoder; see `appeared_after`."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Watched:
    """An asset that three players have watched while it was made."""

    home: Path
    asset: Path
    job: dict[str, Any]
    outcomes: dict[str, Any]
    missing: list[str]
    early: dict[str, tuple[int, str]]
    """Size and SHA-256 of the files that were there when the players were started."""

    @property
    def ended_at(self) -> float:
        """When the job had ended, in seconds since 1970."""
        return datetime.fromisoformat(self.job["finished_at"]).timestamp()

    def appeared_after(self, seconds: float) -> float:
        """When what follows a moment of the film was there, in seconds since 1970.

        It is the next segment; at the end, that the manifests say that nothing follows.
        """
        if seconds > SECONDS - FRAMES_AT_END_SECONDS:
            return self.ended_at
        starts = [0, 1, *range(GRID_SECONDS, SECONDS, GRID_SECONDS)]
        number = 1 + min(bisect_right(starts, seconds), len(starts) - 1)
        return (self.asset / "234p" / f"{number:05d}.m4s").stat().st_mtime


@pytest.fixture(scope="module")
def film(real_clips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s of Big Buck Bunny over and over, 416x234: `-stream_loop -1 -i bigbuckbunny.mp4`."""
    loop = f"-stream_loop -1 -i '{real_clips['bigbuckbunny.mp4']}' -t {SECONDS}"
    code = f"-vf scale=416:234,setsar=1 {clips.X264} -g 50 -c:a aac -ac 2 film.mp4"
    return clips.ffmpeg(tmp_path_factory.mktemp("film"), f"{loop} {code}")


@pytest.fixture
def watched(film: Path, home: Path, tmp_path: Path) -> Watched:
    """`adaptation encode FILM ASSET`, and all players at once as soon as there is a master."""
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    node = services.need_command("node", package="nodejs")
    for name in NODE_PACKAGES:
        services.need_node_package(ROOT, name)
    live = home / "live" / "1"
    pairs = [f"{player}={manifest}" for player, manifest in PLAYERS.items()]
    drive = [node, str(HERE / "playback" / "drive.mjs"), chromium, str(live), "follow"]
    # One chunk: however many processors there are, it takes a while.
    slow = str(clips.slowed(tmp_path, PACE))
    slowly = {"ADAPTATION_PARALLEL_CHUNKS": "1", "ADAPTATION_FFMPEG": slow}
    encode = ("encode", film, tmp_path / "asset", *RUNGS, "--quiet")
    with started(*encode, **slowly) as run, ExitStack() as stack:
        assert services.wait_until((live / judges.MASTER).exists, 60)
        page = stack.enter_context(playing(tmp_path / "asset"))
        assert b"#EXT-X-STREAM-INF" in fetched(page, judges.MASTER)
        early = judges.media_digests(live)
        printed = subprocess.run(
            [*drive, *pairs], check=True, timeout=WATCH_SECONDS, stdout=subprocess.PIPE
        ).stdout
        assert run.wait(WATCH_SECONDS) == 0
        assert fetched(page, judges.RECORD) == (tmp_path / "asset" / judges.RECORD).read_bytes()
    outcomes = json.loads(printed)
    missing = outcomes.pop("missing")
    return Watched(home, tmp_path / "asset", show(1), outcomes, missing, early)


@contextmanager
def playing(asset: Path) -> Iterator[str]:
    """`adaptation play ASSET`; the address of its page."""
    with started("play", asset, "--port", 0) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


def fetched(page: str, name: str) -> bytes:
    """A file of the asset as `adaptation play` serves it."""
    with urllib.request.urlopen(f"{page}{name}", timeout=10) as answer:
        content: bytes = answer.read()
        return content


def test_players_start_before_the_job_has_ended_and_reach_the_end(watched: Watched) -> None:
    assert watched.missing == []
    for player, outcome in watched.outcomes.items():
        assert outcome["errors"] == [], player
        assert set(outcome["warnings"]) <= HARMLESS, player
        assert outcome["started_at"] < watched.ended_at, player
        assert outcome["first_seconds"] < 1, player
        assert outcome["ended_seconds"] == pytest.approx(SECONDS, abs=0.05), player
        for seconds, moment in outcome["waits"]:
            assert watched.appeared_after(seconds) > moment - NOTICE_SECONDS, player
    assert watched.early.items() <= judges.media_digests(watched.asset).items()
    assert len(watched.early) > 3
