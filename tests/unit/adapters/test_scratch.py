"""Scratch folders: one an attempt, gone at every end."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import disks
from adaptation.adapters.scratch import Scratch
from adaptation.errors import Transient
from services import wait_until

MEGABYTE = 1_000_000
NOISE_BYTES = 20 * MEGABYTE
"""What others may write to the same disk meanwhile."""


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    root = tmp_path / "scratch"
    root.mkdir()
    return Scratch(root)


def test_an_attempt_works_in_an_empty_folder_that_is_gone_afterwards(scratch: Scratch) -> None:
    with scratch.attempt(1, 2, 3) as folder:
        assert list(folder.iterdir()) == []
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("x")
        with scratch.attempt(1, 2, 4) as other:
            assert other != folder
    assert list(scratch.root.iterdir()) == []


def test_an_attempt_that_fails_leaves_nothing(scratch: Scratch) -> None:
    with pytest.raises(FileNotFoundError), scratch.attempt(1, 2, 3) as folder:
        (folder / "file").rename(folder / "absent" / "file")
    assert list(scratch.root.iterdir()) == []


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with disks.mounted(tmp_path / "small", "size=1m") as disk:
        with (
            pytest.raises(Transient, match=str(disk)) as caught,
            Scratch(disk).attempt(1, 2, 3) as folder,
        ):
            (folder / "file").write_bytes(bytes(2_000_000))
        assert caught.value.code == "scratch_full"
        assert list(disk.iterdir()) == []
        assert 900_000 < Scratch(disk).free_bytes() <= 1 << 20


def test_where_the_disk_is_full_nothing_is_claimed(tmp_path: Path) -> None:
    with disks.mounted(tmp_path / "disk", "size=3m") as disk:
        scratch = Scratch(disk / "scratch")
        with scratch.claiming() as room:
            assert room > 1_500_000
        (disk / "ballast").write_bytes(bytes(2_500_000))
        with scratch.claiming() as room:
            assert room < 0
        (disk / "ballast").unlink()
        with scratch.claiming() as room:
            assert room > 1_500_000


def test_another_error_keeps_its_name(scratch: Scratch) -> None:
    with pytest.raises(OSError, match="on purpose") as caught, scratch.attempt(1, 2, 3):
        raise OSError(errno.EIO, "on purpose")
    assert caught.value.errno == errno.EIO


def test_what_was_promised_is_not_free_until_it_is_written(scratch: Scratch) -> None:
    everything = scratch.free_bytes()
    with scratch.claiming() as free:
        scratch.reserve(1, 2, 3, 50 * MEGABYTE)
    promised = scratch.free_bytes()
    with scratch.attempt(1, 2, 3) as folder:
        (folder / "file").write_bytes(bytes(30 * MEGABYTE))
        written = scratch.free_bytes()
    assert abs(free - everything) < NOISE_BYTES
    assert abs(everything - promised - 50 * MEGABYTE) < NOISE_BYTES
    assert abs(written - promised) < NOISE_BYTES, "written instead of promised"
    assert abs(scratch.free_bytes() - everything) < NOISE_BYTES
    assert list(scratch.root.iterdir()) == []


def test_whoever_claims_under_one_root_waits_for_the_other(scratch: Scratch) -> None:
    other, found = Scratch(scratch.root), list[int]()

    def claim() -> None:
        with other.claiming() as free:
            found.append(free)

    with scratch.claiming() as free:
        second = threading.Thread(target=claim)
        second.start()
        scratch.reserve(1, 2, 3, free)
    second.join()
    assert found[0] < NOISE_BYTES


KILLED = """
import sys
import threading
from pathlib import Path
from adaptation.adapters.scratch import Scratch
scratch = Scratch(Path(sys.argv[1]))
scratch.reserve(7, 8, 9, 1 << 50)
with scratch.attempt(7, 8, 9) as folder:
    (folder / "file").write_text("x")
    sys.stdin.read()
"""


def test_a_sweep_removes_what_a_killed_process_left_and_spares_the_living(
    scratch: Scratch,
) -> None:
    command = [sys.executable, "-c", KILLED, str(scratch.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        started = wait_until((scratch.root / "7-8-9" / "file").exists)
        child.send_signal(signal.SIGKILL)
    assert started
    assert scratch.free_bytes() == 0, "all is promised to the dead"
    (scratch.root / "not-an-attempt").mkdir()
    with scratch.attempt(7, 8, 10) as folder:
        assert scratch.sweep(lambda *attempt: attempt == (7, 8, 10)) == 1
        assert folder.is_dir()
        assert scratch.free_bytes() > 0
    assert [path.name for path in scratch.root.iterdir()] == ["not-an-attempt"]


def test_a_sweep_of_a_root_that_was_never_used_finds_nothing(scratch: Scratch) -> None:
    assert scratch.sweep(lambda *_: False) == 0
