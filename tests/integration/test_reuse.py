"""Jobs with a cache of chunks: an equal chunk is reused byte for byte, any other is encoded."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import clips
import disks
import judges
from adaptation.context import Context
from adaptation.engine.model import Claim, Job
from adaptation.engine.states import TaskState
from adaptation.engine.tasks import TaskRun
from adaptation.errors import Cancelled, SourceError
from adaptation.wiring import Deployment, deploy
from adaptation.workflows.reuse import DIGEST, with_digest
from command_line import here, started

WANTED: dict[str, Any] = {
    "renditions": [{"height": 180, "bitrate": 300}, {"height": 90, "bitrate": 100}],
    "preset": "ultrafast",
}
RUNGS = ("--rendition", "180:300", "--rendition", "90:100", "--preset", "ultrafast")
FILM_SECONDS = 24
CHUNKS = 2
TOOL = """#!{python}
import os, sys
words = sys.argv[1:]
is_chunk = "-filter_complex" in words
with open({log!r}, "a") as log:
    log.write("chunk\\n" if is_chunk else "other\\n")
{before}
os.execv({ffmpeg!r}, [{ffmpeg!r}, *words])
"""
OTHER_VERSION = """
if words == ["-version"]:
    print("ffmpeg version 99")
    sys.exit()
"""
LOSES_FRAMES = """
if is_chunk and "-ss" in words:
    place = words.index("-filter_complex") + 1
    words[place] = words[place].replace(
        "trim=start=", "select=not(between(n\\\\,{first}\\\\,{last})),trim=start="
    )
"""
CHANGES_THE_SOURCE = """
if is_chunk:
    path = words[words.index("-i") + 1].removeprefix("file:")
    os.utime(path, (1, 1))
"""


class Tool:
    """An FFmpeg that writes down how often it is called to encode a chunk."""

    def __init__(self, folder: Path, before: str = "") -> None:
        self.path, self._log = folder / "ffmpeg", folder / "calls"
        folder.mkdir()
        words = {"python": sys.executable, "ffmpeg": str(clips.tools().ffmpeg)}
        self.path.write_text(TOOL.format(**words, log=str(self._log), before=before))
        self.path.chmod(0o755)

    def chunks(self) -> int:
        """How many chunks were encoded since the last call."""
        calls = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return calls.count("chunk")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps, H.264, 1.2 s, no sound."""
    return clips.make_silent(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps, a key frame each second, 24 s: two chunks."""
    words = f"{clips.picture(seconds=FILM_SECONDS)} {clips.X264} -g 25 -an film.mp4"
    return clips.ffmpeg(tmp_path_factory.mktemp("film"), words)


@pytest.fixture(autouse=True)
def tools_write_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes FFmpeg's place here writes down its calls, and changes the source."""
    monkeypatch.setenv("ADAPTATION_SANDBOX", "off")


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """The FFmpeg of the jobs; there is a cache."""
    tool = Tool(tmp_path / "tool")
    monkeypatch.setenv("ADAPTATION_FFMPEG", str(tool.path))
    monkeypatch.setenv("ADAPTATION_CHUNK_CACHE", "50MB")
    return tool


def encode(source: Path, output: Path, **parameters: Any) -> Job:
    deployment = deploy()
    try:
        return deployment.encode(str(source), str(output), **{**WANTED, **parameters})
    finally:
        deployment.store.close()


def log_of(job: Job) -> str:
    return here("logs", job.id).out


def entries(home: Path) -> list[Path]:
    return sorted(path.parent for path in home.glob("cache/chunks/*/*/entry.json"))


def digests(folder: Path) -> dict[str, Any]:
    assert judges.media_digests(folder) == judges.promised_digests(folder)
    return judges.media_digests(folder)


def test_an_equal_source_takes_no_encoder_and_gives_the_same_bytes(
    film: Path, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = encode(film, tmp_path / "first")
    assert (first.succeeded, tool.chunks()) == (True, CHUNKS)
    copy = shutil.copyfile(film, tmp_path / "copy.mp4")

    again = encode(copy, tmp_path / "again")

    assert (again.succeeded, tool.chunks()) == (True, 0)
    for number in range(1, CHUNKS + 1):
        assert f"chunk {number} reused from the cache" in log_of(again)
    monkeypatch.setenv("ADAPTATION_CHUNK_CACHE", "0")
    fresh = encode(film, tmp_path / "fresh")
    assert (fresh.succeeded, tool.chunks()) == (True, CHUNKS)
    assert digests(tmp_path / "first") == digests(tmp_path / "again") == digests(tmp_path / "fresh")
    for path in (tmp_path / "again").rglob("*.m4s"):
        assert path.stat().st_nlink == 1, "nobody else holds what the owner may change"


def test_a_reused_chunk_can_be_watched_like_one_that_was_encoded(
    film: Path, tool: Tool, tmp_path: Path, home: Path
) -> None:
    assert encode(film, tmp_path / "first").succeeded
    tool.chunks()
    deployment = deploy()
    wanted = {**WANTED, "url": str(film), "output_folder": str(tmp_path / "again")}
    job, _ = deployment.submit_encoding(wanted)
    run_until(deployment, job, "encode_chunk")

    live = home / "live" / str(job.id)
    playlist = (live / "180p" / "playlist.m3u8").read_text()
    listed = [line for line in playlist.splitlines() if line.endswith(".m4s")]
    assert listed == sorted(path.name for path in (tmp_path / "first/180p").glob("*.m4s"))
    for name in listed:
        same = tmp_path / "first" / "180p" / name
        assert (live / "180p" / name).read_bytes() == same.read_bytes()
    assert (live / "master.m3u8").exists()
    chunks = [task for task in deployment.store.tasks(job.id) if task.name == "encode_chunk"]
    assert [task.progress for task in chunks] == [1.0] * CHUNKS
    assert tool.chunks() == 0
    deployment.store.cancel(job.id)
    deployment.repair()
    deployment.store.close()


def run_until(deployment: Deployment, job: Job, last: str) -> None:
    """Run tasks here, one by one, until all named `last` are done."""
    node = deployment.engine.node(1)
    node.start()
    while True:
        tasks = deployment.store.tasks(job.id)
        if {task.state for task in tasks if task.name == last} == {TaskState.DONE}:
            break
        ready = next(task for task in tasks if task.state is TaskState.READY)
        node.worker.execute(ready.id, ready.generation)
    node.close()
    node.stop()


def test_whatever_makes_other_bytes_is_encoded(
    plain: Path, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert encode(plain, tmp_path / "first").succeeded
    assert tool.chunks() == 1
    low = [{"height": 180, "bitrate": 299}, WANTED["renditions"][1]]
    others: list[dict[str, Any]] = [{"renditions": low}, {"preset": "fast"}, {"segment_seconds": 1}]
    for number, other in enumerate(others):
        assert encode(plain, tmp_path / str(number), **other).succeeded
        assert tool.chunks() == 1, other
    changed = tmp_path / "changed.mp4"
    # A box that nobody reads: the same packets, but not the same content.
    changed.write_bytes(plain.read_bytes() + b"\x00\x00\x00\x08free")
    assert encode(changed, tmp_path / "changed").succeeded
    assert tool.chunks() == 1
    newer = Tool(tmp_path / "newer", OTHER_VERSION)
    monkeypatch.setenv("ADAPTATION_FFMPEG", str(newer.path))
    assert encode(plain, tmp_path / "newer_asset").succeeded
    assert newer.chunks() == 1
    monkeypatch.setenv("ADAPTATION_FFMPEG", str(tool.path))
    assert encode(plain, tmp_path / "last").succeeded
    assert tool.chunks() == 0


def test_a_damaged_entry_costs_an_encode_and_a_warning(
    plain: Path, tool: Tool, tmp_path: Path, home: Path
) -> None:
    assert encode(plain, tmp_path / "first").succeeded
    [entry] = entries(home)
    victim = entry / "180p" / "00001.m4s"
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    tool.chunks()

    again = encode(plain, tmp_path / "again")

    assert (again.succeeded, tool.chunks()) == (True, 1)
    [line] = [line for line in log_of(again).splitlines() if "was damaged" in line]
    assert "warning" in line
    assert entry.name in line
    assert digests(tmp_path / "first") == digests(tmp_path / "again")
    assert encode(plain, tmp_path / "third").succeeded
    assert tool.chunks() == 0


def test_samples_do_not_serve_a_job_that_wants_all_decoded(
    plain: Path, tool: Tool, tmp_path: Path, home: Path
) -> None:
    ran = []
    for number, verify in enumerate(["samples", "full", "full", "samples"]):
        assert encode(plain, tmp_path / str(number), verify=verify).succeeded
        ran.append(tool.chunks())
    assert ran == [1, 1, 0, 0]
    assert len(entries(home)) == 1


def test_a_source_that_changes_while_it_is_encoded_is_not_kept(
    plain: Path, tool: Tool, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meddler = Tool(tmp_path / "meddler", CHANGES_THE_SOURCE)
    monkeypatch.setenv("ADAPTATION_FFMPEG", str(meddler.path))
    source = shutil.copyfile(plain, tmp_path / "source.mp4")
    job = encode(source, tmp_path / "asset")
    assert job.error is not None
    assert job.error["code"] == "source_changed"
    assert entries(home) == []


@pytest.mark.parametrize(
    ("first_frame", "last_frame"),
    [(0, 30), *(pytest.param(*all_of, marks=pytest.mark.long) for all_of in ((10, 12), (0, 9999)))],
)
def test_a_chunk_that_was_made_again_from_the_start_is_kept_as_it_was_asked_for(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_frame: int, last_frame: int
) -> None:
    lost = Tool(tmp_path / "lost", LOSES_FRAMES.format(first=first_frame, last=last_frame))
    monkeypatch.setenv("ADAPTATION_FFMPEG", str(lost.path))
    monkeypatch.setenv("ADAPTATION_CHUNK_CACHE", "50MB")
    first = encode(film, tmp_path / "first")
    assert first.succeeded
    assert log_of(first).count("is made again from the start") == CHUNKS - 1
    assert lost.chunks() == 2 * CHUNKS - 1

    assert encode(film, tmp_path / "again").succeeded
    assert lost.chunks() == 0
    assert digests(tmp_path / "first") == digests(tmp_path / "again")


def test_two_jobs_at_once_share_a_cache(film: Path, tool: Tool, tmp_path: Path, home: Path) -> None:
    outputs = [tmp_path / name for name in ("one", "two")]
    with ExitStack() as stack:
        runs = [
            stack.enter_context(started("encode", film, output, *RUNGS, "--quiet"))
            for output in outputs
        ]
        assert [run.wait(60) for run in runs] == [0, 0]
    assert CHUNKS <= tool.chunks() <= 2 * CHUNKS
    assert digests(outputs[0]) == digests(outputs[1])
    assert len(entries(home)) == CHUNKS
    assert list(home.glob("cache/chunks/.incoming/*")) == []


def test_a_cache_that_can_only_be_read_is_read(
    plain: Path, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disks.mounted(tmp_path / "shared", "size=5m") as shared:
        monkeypatch.setenv("ADAPTATION_CHUNK_CACHE_FOLDER", str(shared))
        assert encode(plain, tmp_path / "first").succeeded
        subprocess.run(["mount", "-o", "remount,ro", str(shared)], check=True)
        tool.chunks()

        assert encode(plain, tmp_path / "again").succeeded
        assert tool.chunks() == 0
        other = encode(plain, tmp_path / "other", preset="superfast")
        assert (other.succeeded, tool.chunks()) == (True, 1)
        assert "is not kept in the cache: " in log_of(other)
        [found] = [line for line in here("doctor").out.splitlines() if "chunk cache" in line]
        assert found.startswith("absent")
        ended = here("cache", "--clear")
        assert (ended.status, ended.code) == (2, "chunk_cache_unusable")


@pytest.mark.parametrize("room", ["10kB", "50MB"])
def test_a_cache_without_room_or_folder_fails_no_job(
    plain: Path, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    monkeypatch.setenv("ADAPTATION_CHUNK_CACHE", room)
    if room == "50MB":
        (tmp_path / "file").touch()
        monkeypatch.setenv("ADAPTATION_CHUNK_CACHE_FOLDER", str(tmp_path / "file" / "cache"))
    job = encode(plain, tmp_path / "asset")
    assert job.succeeded
    assert ("has no place" if room == "10kB" else "cannot be reused") in log_of(job)


@pytest.fixture
def reading(plain: Path, tool: Tool, tmp_path: Path) -> tuple[Context, Any]:
    """A context and an attempt that are about to read a source's digest."""
    source = shutil.copyfile(plain, tmp_path / "source.mp4")
    facts = source.stat()
    context = Context(
        url=str(source), source_path=str(source), source_state=[facts.st_size, facts.st_mtime_ns]
    )
    claim = Claim(1, 1, 1, 1, "id", "encoding_workflow", "1", "get_video_size", {}, 1, context)
    return context, TaskRun(claim, tmp_path, deploy().resources)


def test_reading_a_source_can_be_cancelled(reading: tuple[Context, Any]) -> None:
    context, run = reading
    run.cancelled.set()
    with pytest.raises(Cancelled):
        with_digest(context, run)


def test_a_source_that_changes_while_its_digest_is_taken_is_refused(
    reading: tuple[Context, Any],
) -> None:
    context, run = reading
    size = Path(context["url"]).stat().st_size
    run.cancelled = ChangesWhenAsked(Path(context["url"]), size)
    with pytest.raises(SourceError) as caught:
        with_digest(context, run)
    assert caught.value.code == "source_changed"


class ChangesWhenAsked(threading.Event):
    """Nobody cancels, but somebody writes to the source."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        super().__init__()
        self.path, self.size_bytes = path, size_bytes

    def is_set(self) -> bool:
        with self.path.open("r+b") as file:
            file.truncate(self.size_bytes + 1)
        return False


def test_a_source_that_was_downloaded_has_the_digest_of_its_content(
    plain: Path, reading: tuple[Context, Any]
) -> None:
    context, run = reading
    run.resources.work.put_bytes(plain.read_bytes(), "jobs/1/source")
    fetched = Context(url="http://example.org/film.mp4", source_key="jobs/1/source")
    expected = hashlib.sha256(plain.read_bytes()).hexdigest()
    assert with_digest(fetched, run)[DIGEST] == with_digest(context, run)[DIGEST] == expected


def test_without_room_no_digest_is_taken(reading: tuple[Context, Any]) -> None:
    context, run = reading
    run.resources = replace(run.resources, chunk_cache=None)
    assert with_digest(context, run) == context


def test_the_command_shows_the_cache_and_empties_it(
    plain: Path, tool: Tool, tmp_path: Path, home: Path
) -> None:
    empty = here("cache", "--json").documents[0]
    assert (empty["entries"], empty["oldest_use"]) == (0, None)
    assert encode(plain, tmp_path / "first").succeeded
    shown = here("cache", "--json").documents[0]
    files = [path for path in (home / "cache/chunks").glob("??/**/*") if path.is_file()]
    assert shown["folder"] == str(home / "cache" / "chunks")
    assert shown["room_bytes"] == 50_000_000
    assert shown["used_bytes"] == sum(path.stat().st_size for path in files)
    assert shown["oldest_use"] == shown["newest_use"]
    assert "in 1 entries" in here("cache").out
    assert "1 entries in" in here("doctor").out

    assert here("cache", "--clear", "--json").documents[0]["removed"]["entries"] == 1
    assert entries(home) == []
    assert encode(plain, tmp_path / "again").succeeded
    assert tool.chunks() == 2


@pytest.mark.parametrize("room", ["20", "20 cows", "-1GB", "lots"])
def test_a_room_that_is_no_size_is_refused(room: str) -> None:
    ended = here("cache", ADAPTATION_CHUNK_CACHE=room)
    assert (ended.status, ended.code) == (2, "settings_invalid")
    assert f"ADAPTATION_CHUNK_CACHE: '{room}' is no size with a unit, such as 20GB" in ended.err


@pytest.mark.parametrize(
    ("room", "size_bytes"),
    [("20GB", 20 * 10**9), ("1.5 tb", 1500 * 10**9), ("500MiB", 500 * 2**20), ("0", 0), ("", 0)],
)
def test_a_room_is_given_with_its_unit(
    monkeypatch: pytest.MonkeyPatch, room: str, size_bytes: int
) -> None:
    monkeypatch.setenv("ADAPTATION_CHUNK_CACHE", room)
    assert here("cache", "--json").documents[0]["room_bytes"] == size_bytes
