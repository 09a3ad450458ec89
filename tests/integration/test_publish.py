"""Publishing by one switch: on real disks that are full, read-only, shared or crash."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import disks
from adaptation.adapters import publish as module
from adaptation.adapters.publish import asset_id_of, check_output, discard_staging, publish
from adaptation.errors import AdaptationError, OutputError, ParameterError
from kinds import kinds
from services import wait_until

Files = list[tuple[Path, str]]


def an_asset(folder: Path, asset_id: str, segments: int = 3, size_bytes: int = 1000) -> Files:
    """Write the files of a small asset below `folder` and list them."""
    names = [f"v360/{number:05d}.m4s" for number in range(segments)]
    texts = ["v360/index.m3u8", "master.m3u8", "manifest.mpd"]
    contents = {name: asset_id[:1].encode() * size_bytes for name in names}
    contents |= {name: f"#{asset_id}".encode() for name in texts}
    contents["asset.json"] = json.dumps({"asset_id": asset_id}).encode()
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [(folder / name, name) for name in contents]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return an_asset(tmp_path / "work/new", "new")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "film"


def put(files: Files, output: Path, asset_id: str, *, overwrite: bool = False) -> None:
    publish(files, output, asset_id=asset_id, token=f"job-{asset_id}", overwrite=overwrite)


def tree(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def assert_published(output: Path, files: Files) -> None:
    assert tree(output) == {name: source.read_bytes() for source, name in files}
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize("there", ["nothing", "parents", "empty", "link"])
def test_an_asset_appears_whole_in_an_absent_or_empty_folder(
    files: Files, output: Path, tmp_path: Path, there: str
) -> None:
    if there == "parents":
        output.parent.mkdir()
    if there == "empty":
        output.mkdir(parents=True)
        output.chmod(0o2770)
    if there == "link":
        output.mkdir(parents=True)
        (tmp_path / "link").symlink_to(output)
    given = tmp_path / "link" if there == "link" else output
    check_output(given, overwrite=False)
    put(files, given, "new")
    assert_published(output, files)
    assert asset_id_of(given) == "new"
    if there == "empty":
        assert output.stat().st_mode & 0o7777 == 0o2770


def test_media_is_linked_and_what_people_edit_is_copied(files: Files, output: Path) -> None:
    put(files, output, "new")
    linked = {name for source, name in files if (output / name).samefile(source)}
    assert linked == {name for _, name in files if name.endswith(".m4s")}
    (output / "master.m3u8").write_text("edited in place")
    assert [s.read_text() for s, name in files if name == "master.m3u8"] == ["#new"]


def test_on_another_file_system_everything_is_copied(files: Files, tmp_path: Path) -> None:
    with disks.mounted(tmp_path / "disk", "size=1m") as disk:
        put(files, disk / "film", "new")
        assert_published(disk / "film", files)


def test_a_second_call_and_a_call_after_a_crash_change_nothing(files: Files, output: Path) -> None:
    put(files, output, "new")
    inode = output.stat().st_ino
    check_output(output, overwrite=False, asset_id="new")
    put(files, output, "new")
    assert output.stat().st_ino == inode


def test_an_asset_that_lost_a_file_is_published_again(files: Files, output: Path) -> None:
    put(files, output, "new")
    (output / "v360/00001.m4s").unlink()
    put(files, output, "new")
    assert_published(output, files)


def test_another_asset_is_kept_unless_it_may_be_overwritten(
    files: Files, output: Path, tmp_path: Path
) -> None:
    old = an_asset(tmp_path / "work/old", "old")
    put(old, output, "old")
    for act in (partial(check_output, output, overwrite=False), partial(put, files, output, "new")):
        with pytest.raises(OutputError, match=str(output)) as caught:
            act()
        assert caught.value.code == "output_exists"
        assert "--overwrite" in caught.value.hint
        assert_published(output, old)
    check_output(output, overwrite=True)
    put(files, output, "new", overwrite=True)
    assert_published(output, files)


def test_what_is_no_asset_is_never_overwritten(files: Files, output: Path) -> None:
    output.mkdir(parents=True)
    (output / "diary.txt").write_text("years of work")
    for act in (
        partial(check_output, output, overwrite=True),
        partial(put, files, output, "new", overwrite=True),
    ):
        with pytest.raises(OutputError) as caught:
            act()
        assert caught.value.code == "output_exists"
    assert tree(output) == {"diary.txt": b"years of work"}
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize("where", ["film", "film/deeper"])
def test_a_file_in_the_way_is_named(files: Files, output: Path, where: str) -> None:
    output.parent.mkdir()
    output.write_text("a file")
    target = output.parent / where
    for act in (partial(check_output, target, overwrite=True), partial(put, files, target, "new")):
        with pytest.raises(OutputError) as caught:
            act()
        assert caught.value.code == "output_is_file"
    assert output.read_text() == "a file"
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_a_mount_point_is_refused_early_with_a_remedy(tmp_path: Path) -> None:
    with disks.mounted(tmp_path / "disk", "size=1m") as disk:
        with pytest.raises(OutputError, match="mount point") as caught:
            check_output(disk, overwrite=False)
        assert caught.value.code == "output_is_mount"
        check_output(disk / "asset", overwrite=False)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder nobody may write to: permission bits do not bind root, a read-only mount does."""
    if os.geteuid() == 0:
        with disks.mounted(tmp_path / "disk", "ro,size=1m") as disk:
            yield disk
    else:
        (tmp_path / "disk").mkdir(mode=0o500)
        yield tmp_path / "disk"


@pytest.mark.parametrize("name", ["film", "deeper/film"])
def test_a_read_only_place_is_refused_early_and_late(
    files: Files, read_only: Path, name: str
) -> None:
    target = read_only / name
    for act in (partial(check_output, target, overwrite=False), partial(put, files, target, "new")):
        with pytest.raises(OutputError, match="beside") as caught:
            act()
        assert caught.value.code == "output_unwritable"


@pytest.mark.parametrize("before", ["nothing", "empty", "old"])
def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path, before: str) -> None:
    new = an_asset(tmp_path / "work/new", "new", segments=3, size_bytes=400_000)
    old = an_asset(tmp_path / "work/old", "old")
    with disks.mounted(tmp_path / "disk", "size=1m") as disk:
        if before == "empty":
            (disk / "film").mkdir()
        if before == "old":
            put(old, disk / "film", "old")
        with pytest.raises(OutputError) as caught:
            put(new, disk / "film", "new", overwrite=True)
        assert caught.value.code == "output_full"
        assert [path.name for path in disk.iterdir()] == ([] if before == "nothing" else ["film"])
        assert tree(disk) == {f"film/{n}": s.read_bytes() for s, n in old if before == "old"}


def test_a_disk_with_no_room_at_all_is_refused_early(tmp_path: Path) -> None:
    with disks.mounted(tmp_path / "disk", "size=1m,nr_inodes=2") as disk:
        (disk / "last").touch()
        with pytest.raises(OutputError) as caught:
            check_output(disk / "film", overwrite=False)
        assert caught.value.code == "output_full"


def test_a_source_that_is_gone_is_named(files: Files, output: Path) -> None:
    files[0][0].unlink()
    with pytest.raises(AdaptationError, match=r"v360/00000\.m4s") as caught:
        put(files, output, "new")
    assert caught.value.code == "work_missing"
    assert not output.parent.exists()


def test_a_name_cannot_leave_the_asset(files: Files, output: Path) -> None:
    with pytest.raises(ParameterError):
        put([*files, (files[0][0], "../escaped")], output, "new")
    assert not output.parent.exists()


def test_files_go_in_the_order_a_reader_needs_them(
    files: Files, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = watched(monkeypatch, module, "_place", lambda piece, _: str(piece.name))
    put(list(reversed(files)), output, "new")
    kinds = [Path(name).suffix for name in placed]
    assert kinds == [".m4s"] * 3 + [".m3u8", ".mpd", ".m3u8", ".json"]
    assert placed[3] == "v360/index.m3u8"


def watched(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, note: Callable[..., str]
) -> list[str]:
    """Let a function do its work and note each call."""
    seen: list[str] = []
    real = getattr(owner, name)

    def noting(*args: object) -> object:
        seen.append(note(*args))
        return real(*args)

    monkeypatch.setattr(owner, name, noting)
    return seen


def test_without_an_exchange_two_renames_do(
    files: Files, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: None)
    put(an_asset(tmp_path / "work/old", "old"), output, "old")
    put(files, output, "new", overwrite=True)
    assert_published(output, files)


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_two_publishers_racing_one_wins_and_the_asset_is_whole(
    tmp_path: Path, overwrite: bool
) -> None:
    assets = {name: an_asset(tmp_path / "work" / name, name, 20) for name in ("a", "b", "c", "d")}
    for turn in range(10):
        output, barrier = tmp_path / f"out{turn}" / "film", threading.Barrier(len(assets))

        def race(name: str, output: Path = output, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            try:
                put(assets[name], output, name, overwrite=overwrite)
            except OutputError as error:
                return error.code
            return "published"

        with ThreadPoolExecutor(len(assets)) as pool:
            ends = sorted(pool.map(race, assets))
        winners = 4 if overwrite else 1
        assert ends == ["output_exists"] * (4 - winners) + ["published"] * winners
        assert_published(output, assets[asset_id_of(output) or ""])


KILLED = """
import json, os, signal, sys
from pathlib import Path
from adaptation.adapters import exchange
from adaptation.adapters import publish as module

kill_at, real = int(sys.argv[1]), {}

def deadly(owner, name):
    real[name] = getattr(owner, name)
    def wrapped(*args, **named):
        global kill_at
        kill_at -= 1
        if kill_at < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real[name](*args, **named)
    setattr(owner, name, wrapped)

for owner, name in [(module, "_place"), (module, "sync"), (Path, "rename"), (Path, "mkdir"),
                    (exchange, "_rename_exchange"), (module.shutil, "rmtree")]:
    deadly(owner, name)
if sys.argv[2] == "two renames":
    exchange.ctypes.CDLL = lambda *_, **__: None
files = [(Path(source), name) for source, name in json.loads(sys.argv[3])]
module.publish(files, Path(sys.argv[4]), asset_id="new", token="job-new", overwrite=True)
"""


@pytest.mark.parametrize("way", kinds(("exchange", "two renames"), seldom=("two renames",)))
def test_a_publisher_killed_at_any_step_finishes_when_it_is_called_again(
    files: Files, tmp_path: Path, way: str
) -> None:
    old = an_asset(tmp_path / "work/old", "old")
    listed = json.dumps([(str(source), name) for source, name in files])
    for kill_at in range(100):
        output = tmp_path / f"out{kill_at}" / "film"
        put(old, output, "old")
        command = [sys.executable, "-c", KILLED, str(kill_at), way, listed, str(output)]
        status = subprocess.run(command, check=False).returncode
        found = asset_id_of(output)
        assert found in (("old", "new") if way == "exchange" else ("old", "new", None))
        if found == "new":
            assert tree(output) == {name: source.read_bytes() for source, name in files}
        put(files, output, "new", overwrite=True)
        assert_published(output, files)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert kill_at > 20
    assert status == 0


def test_what_a_killed_publisher_left_can_be_discarded(files: Files, output: Path) -> None:
    listed = json.dumps([(str(source), name) for source, name in files])
    command = [sys.executable, "-c", KILLED, "5", "exchange", listed, str(output)]
    subprocess.run(command, check=False)
    (output.parent / ".film.job-newer.5f3.partial").mkdir()
    assert len(list(output.parent.iterdir())) == 2
    discard_staging(output, token="job-new")
    assert [path.name for path in output.parent.iterdir()] == [".film.job-newer.5f3.partial"]
    discard_staging(output / "never" / "was", token="job-new")


@pytest.fixture
def paused(
    files: Files, output: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[threading.Event, list[AdaptationError]]]:
    """A publication of `files` that waits in the midst of its staging until it is let go."""
    real, go, errors = module._fill, threading.Event(), list[AdaptationError]()

    def waiting(staging: Path, pieces: list[module._Piece]) -> None:
        monkeypatch.setattr(module, "_fill", real)
        staging.mkdir(parents=True)
        go.wait(30)
        staging.rmdir()  # `_fill` makes it, or finds that somebody removed it
        real(staging, pieces)

    def zombie() -> None:
        try:
            put(files, output, "new")
        except AdaptationError as error:
            errors.append(error)

    monkeypatch.setattr(module, "_fill", waiting)
    thread = threading.Thread(target=zombie)
    thread.start()
    assert wait_until(lambda: output.parent.is_dir() and any(output.parent.iterdir()))
    yield go, errors
    go.set()
    thread.join()


def test_a_zombie_of_the_same_publication_harms_nothing(
    paused: tuple[threading.Event, list[AdaptationError]], files: Files, output: Path
) -> None:
    go, errors = paused
    put(files, output, "new")
    assert_published(output, files)
    go.set()
    assert wait_until(lambda: bool(errors))
    assert errors[0].code == "publish_superseded"
    assert errors[0].retryable
    assert_published(output, files)
