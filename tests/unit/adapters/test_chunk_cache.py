"""The cache of chunks: whole entries or none, proven when read, never beyond its room."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import disks
from adaptation.adapters.chunk_cache import ABANDONED_SECONDS, ChunkCache
from adaptation.adapters.chunk_entry import CachedFile
from adaptation.errors import Cancelled

ROOM = 100_000
ENTRY_BYTES = 20_000
WRITER = """
import sys
from pathlib import Path
from adaptation.adapters.chunk_cache import ChunkCache
from adaptation.adapters.chunk_entry import CachedFile
import hashlib

root, folder, keys, hangs = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], len(sys.argv) > 4

def files(content):
    for number in (1, 2):
        path = folder / f"{number}.m4s"
        path.write_bytes(content)
        yield CachedFile(path, f"720p/{number}.m4s", hashlib.sha256(content).hexdigest())

def check():
    if hangs and list(root.glob(".incoming/*/720p/1.m4s")):
        print("one of two", flush=True)
        sys.stdin.read()

cache = ChunkCache(root, 100_000)
for key in keys.split(","):
    assert cache.store(key, list(files(key.encode() * 150)), is_full=False, check=check)
"""


def writer_command(cache: ChunkCache, *words: object) -> list[str]:
    return [sys.executable, "-c", WRITER, str(cache.root), *map(str, words)]


def key(number: int) -> str:
    return hashlib.sha256(bytes([number])).hexdigest()


def nothing() -> None:
    """Nobody cancels."""


@pytest.fixture
def cache(tmp_path: Path) -> ChunkCache:
    return ChunkCache(tmp_path / "cache", ROOM)


@pytest.fixture
def put(cache: ChunkCache, tmp_path: Path) -> Callable[..., bool]:
    """Store an entry of two files, by its number."""

    def store(number: int, *, size_bytes: int = ENTRY_BYTES, is_full: bool = False) -> bool:
        files = []
        for name in ("720p/00001.m4s", "360p/00001.m4s"):
            path = tmp_path / name.replace("/", "-")
            path.write_bytes(content(number, size_bytes // 2))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            files.append(CachedFile(path, name, digest))
        return cache.store(key(number), files, is_full=is_full, check=nothing)

    return store


def content(number: int, size_bytes: int = ENTRY_BYTES // 2) -> bytes:
    return bytes([number]) * size_bytes


def get(cache: ChunkCache, number: int, into: Path, *, is_full: bool = False) -> list[str] | None:
    return cache.fetch(key(number), into, is_full=is_full, check=nothing)


def bytes_in(cache: ChunkCache) -> int:
    found = [path for path in cache.root.glob("??/**/*") if path.is_file()]
    return sum(path.stat().st_size for path in found)


def make_older(cache: ChunkCache, number: int, seconds: float) -> None:
    entry = cache.root / key(number)[:2] / key(number) / "entry.json"
    os.utime(entry, (time.time() - seconds, time.time() - seconds))


def test_what_is_stored_comes_back_as_a_copy(
    cache: ChunkCache, put: Callable[..., bool], tmp_path: Path
) -> None:
    assert get(cache, 1, tmp_path / "before") is None
    assert put(1)
    names = get(cache, 1, tmp_path / "out")
    assert names == ["720p/00001.m4s", "360p/00001.m4s"]
    for name in names:
        copy = tmp_path / "out" / name
        assert copy.read_bytes() == content(1)
        assert copy.stat().st_nlink == 1
    assert cache.usage().entries == 1
    assert cache.usage().used_bytes == bytes_in(cache)


def spoil_a_byte(folder: Path) -> None:
    path = folder / "360p/00001.m4s"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])


def cut_a_file(folder: Path) -> None:
    path = folder / "720p/00001.m4s"
    path.write_bytes(path.read_bytes()[:-1])


def lose_a_file(folder: Path) -> None:
    (folder / "360p/00001.m4s").unlink()


def empty_the_record(folder: Path) -> None:
    (folder / "entry.json").write_bytes(b"")


def lead_the_record_astray(folder: Path) -> None:
    record = json.loads((folder / "entry.json").read_text())
    record["files"]["../../outside"] = [1, "00" * 32]
    (folder / "entry.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    "damage",
    [spoil_a_byte, cut_a_file, lose_a_file, empty_the_record, lead_the_record_astray],
)
def test_a_damaged_entry_is_named_removed_and_can_be_stored_again(
    cache: ChunkCache,
    put: Callable[..., bool],
    tmp_path: Path,
    damage: Callable[[Path], None],
) -> None:
    put(1)
    damage(cache.root / key(1)[:2] / key(1))
    with pytest.raises(ValueError, match=f"{key(1)} was damaged and is removed"):
        get(cache, 1, tmp_path / "out")
    assert get(cache, 1, tmp_path / "out") is None
    assert put(1)
    assert get(cache, 1, tmp_path / "again")


def test_an_entry_that_others_remove_while_it_is_read_is_no_entry(
    cache: ChunkCache, put: Callable[..., bool], tmp_path: Path
) -> None:
    put(1)
    assert cache.fetch(key(1), tmp_path, is_full=False, check=lambda: void(cache.clear())) is None


def void(_: object) -> None:
    """A check gives nothing."""


def test_samples_do_not_serve_who_wants_every_frame_decoded(
    cache: ChunkCache, put: Callable[..., bool], tmp_path: Path
) -> None:
    put(1)
    assert get(cache, 1, tmp_path / "out", is_full=True) is None
    assert put(1, is_full=True)
    assert get(cache, 1, tmp_path / "full", is_full=True)
    assert put(1)
    assert get(cache, 1, tmp_path / "still", is_full=True)
    assert get(cache, 1, tmp_path / "samples")
    assert cache.usage().entries == 1


def test_what_was_not_used_for_longest_goes_and_the_room_is_kept(
    cache: ChunkCache, put: Callable[..., bool], tmp_path: Path
) -> None:
    for number in range(4):
        assert put(number)
        make_older(cache, number, seconds=100 - number)
    get(cache, 0, tmp_path / "used")

    for number in range(4, 30):
        assert put(number)
        assert bytes_in(cache) <= ROOM
        if number == 4:
            assert get(cache, 0, tmp_path / "kept") is not None
            assert get(cache, 1, tmp_path / "gone") is None
        make_older(cache, number, seconds=50 - number)
    assert cache.usage().entries >= 3


def test_an_entry_larger_than_the_room_is_not_stored_and_nothing_goes_for_it(
    cache: ChunkCache, put: Callable[..., bool], tmp_path: Path
) -> None:
    put(1)
    assert not put(2, size_bytes=ROOM)
    assert get(cache, 2, tmp_path / "out") is None
    assert get(cache, 1, tmp_path / "out")


def test_a_file_that_is_not_what_was_measured_is_not_stored(
    cache: ChunkCache, tmp_path: Path
) -> None:
    (tmp_path / "1.m4s").write_bytes(b"else")
    with pytest.raises(ValueError, match=r"1\.m4s"):
        cache.store(
            key(1),
            [CachedFile(tmp_path / "1.m4s", "720p/1.m4s", "00" * 32)],
            is_full=False,
            check=nothing,
        )
    assert cache.usage().entries == 0


def test_who_is_cancelled_while_storing_leaves_nothing(cache: ChunkCache, tmp_path: Path) -> None:
    def cancel() -> None:
        raise Cancelled("stop")

    (tmp_path / "1.m4s").write_bytes(b"1")
    file = CachedFile(tmp_path / "1.m4s", "720p/1.m4s", hashlib.sha256(b"1").hexdigest())
    with pytest.raises(Cancelled):
        cache.store(key(1), [file], is_full=False, check=cancel)
    assert list(cache.root.glob(".incoming/*")) == []
    assert cache.usage().entries == 0


def test_a_writer_that_is_killed_leaves_a_cache_that_works_and_keeps_its_room(
    cache: ChunkCache, put: Callable[..., bool], tmp_path: Path
) -> None:
    (tmp_path / "writer").mkdir()
    command = writer_command(cache, tmp_path / "writer", key(1), "hangs")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "one of two\n"
        writer.kill()
    [left] = cache.root.glob(".incoming/*")

    assert get(cache, 1, tmp_path / "out") is None
    for number in range(2, 12):
        assert put(number)
        promised = int(left.name.rpartition("-")[2])
        assert bytes_in(cache) + promised <= ROOM
    assert left.exists()
    os.utime(left, (0, time.time() - ABANDONED_SECONDS - 1))
    for number in range(12, 20):
        assert put(number)
    assert not left.exists()


def test_writers_at_once_are_harmless_and_keep_the_room_together(
    cache: ChunkCache, tmp_path: Path
) -> None:
    rows = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [6, 7, 8, 9, 1, 2]]
    most = 0
    with ExitStack() as stack:
        writers = list[subprocess.Popen[bytes]]()
        for place, row in enumerate(rows):
            folder = tmp_path / f"writer{place}"
            folder.mkdir()
            command = writer_command(cache, folder, ",".join(map(key, row)))
            writers.append(stack.enter_context(subprocess.Popen(command)))
        while any(writer.poll() is None for writer in writers):
            most = max(most, cache.usage().used_bytes)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert 0 < cache.usage().used_bytes <= ROOM
    assert most <= ROOM
    for number in range(1, 10):
        get(cache, number, tmp_path / f"out{number}")


def test_clearing_removes_entries_and_nothing_else(
    cache: ChunkCache, put: Callable[..., bool]
) -> None:
    assert cache.clear().entries == 0
    put(1)
    put(2)
    mine = cache.root / key(1)[:2] / "notes.txt"
    mine.write_text("not an entry")
    gone = cache.clear()
    assert (gone.entries, cache.usage().entries) == (2, 0)
    assert mine.read_text() == "not an entry"
    assert put(1)


def test_a_folder_that_cannot_be_read_or_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = ChunkCache(tmp_path / "file" / "cache", ROOM)
    for act in (cache.usage, lambda: get(cache, 1, tmp_path / "out")):
        with pytest.raises(NotADirectoryError):
            act()
    with pytest.raises(OSError, match="file"):
        cache.store(key(1), [], is_full=False, check=nothing)


def test_a_full_disk_stores_nothing_and_keeps_what_is_there(tmp_path: Path) -> None:
    with disks.mounted(tmp_path / "disk", "size=200k") as disk:
        cache = ChunkCache(disk / "cache", 10 * ROOM)
        path, digest = tmp_path / "1.m4s", hashlib.sha256(content(1, 90_000)).hexdigest()
        path.write_bytes(content(1, 90_000))
        file = CachedFile(path, "720p/1.m4s", digest)
        assert cache.store(key(1), [file], is_full=False, check=nothing)
        with pytest.raises(OSError, match="No space left"):
            cache.store(
                key(2), [file, replace(file, name="720p/2.m4s")], is_full=False, check=nothing
            )
        assert cache.usage().entries == 1
        assert get(cache, 1, tmp_path / "out") == ["720p/1.m4s"]
