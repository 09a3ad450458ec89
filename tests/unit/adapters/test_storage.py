"""The work area: whole files under keys that can never leave it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import disks
from adaptation.adapters.storage import LocalStorage, Storage, checked_key
from adaptation.errors import AdaptationError, ParameterError, Transient

HOSTILE = st.lists(
    st.sampled_from(["..", ".", "", "a", "b.mp4", "~", "/", "\\", "C:", "\0", "\n", "é", " ", "-x"])
    | st.text(max_size=6),
    max_size=6,
).map("/".join) | st.text(max_size=40)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "work")


def test_a_local_folder_is_a_storage(storage: LocalStorage) -> None:
    assert_is_a_storage: Storage = storage
    assert assert_is_a_storage is storage


def test_what_was_put_is_read_again(storage: LocalStorage, tmp_path: Path) -> None:
    made = tmp_path / "made.mp4"
    made.write_bytes(b"film")
    storage.put_file(made, "jobs/1/v720.mp4")
    storage.put_bytes(b"text", "jobs/1/probe.json")
    assert storage.open_local("jobs/1/v720.mp4").read_bytes() == b"film"
    assert storage.size_bytes("jobs/1/v720.mp4") == 4
    assert storage.exists("jobs/1/probe.json")
    assert not storage.exists("jobs/1")
    assert storage.list_keys("jobs") == ["jobs/1/probe.json", "jobs/1/v720.mp4"]
    assert storage.list_keys("jobs/2") == []


def test_a_file_on_the_same_disk_is_moved_not_copied(storage: LocalStorage, tmp_path: Path) -> None:
    made = tmp_path / "made.mp4"
    made.write_bytes(b"film")
    inode = made.stat().st_ino
    storage.put_file(made, "v720.mp4")
    assert storage.open_local("v720.mp4").stat().st_ino == inode
    assert not made.exists()


def test_a_file_from_another_disk_is_copied(storage: LocalStorage, tmp_path: Path) -> None:
    with disks.mounted(tmp_path / "scratch", "size=1m") as scratch:
        (scratch / "made.mp4").write_bytes(b"film")
        storage.put_file(scratch / "made.mp4", "v720.mp4")
    assert storage.open_local("v720.mp4").read_bytes() == b"film"


def test_a_key_that_is_put_again_holds_the_later_file(storage: LocalStorage) -> None:
    storage.put_bytes(b"old", "key")
    storage.put_bytes(b"new", "key")
    assert storage.open_local("key").read_bytes() == b"new"


def test_a_full_work_area_is_named_and_holds_nothing_half(tmp_path: Path) -> None:
    made = tmp_path / "made.mp4"
    made.write_bytes(bytes(2_000_000))
    with disks.mounted(tmp_path / "work", "size=1m") as work:
        storage = LocalStorage(work)
        with pytest.raises(Transient, match=str(work)) as caught:
            storage.put_file(made, "jobs/1/v720.mp4")
        assert caught.value.code == "work_full"
        assert [path for path in work.rglob("*") if path.is_file()] == []
    assert made.stat().st_size == 2_000_000


def test_a_half_put_file_is_neither_listed_nor_kept(storage: LocalStorage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        storage.put_file(tmp_path / "absent", "jobs/1/a")
    (storage.root / "jobs/1/.5f3.incoming").write_bytes(b"killed here")
    assert storage.list_keys("jobs") == []
    storage.delete_prefix("jobs/1")
    assert list((storage.root / "jobs").iterdir()) == []


def test_a_missing_key_is_an_error_that_says_what_to_do(storage: LocalStorage) -> None:
    for ask in (storage.size_bytes, storage.open_local):
        with pytest.raises(AdaptationError, match="jobs/1/a") as caught:
            ask("jobs/1/a")
        assert caught.value.code == "work_missing"


def test_deleting_takes_one_folder_and_what_killed_deletes_left(storage: LocalStorage) -> None:
    for key in ("jobs/1/a", "jobs/1/b/c", "jobs/10/a", "jobs/2"):
        storage.put_bytes(b"x", key)
    left = storage.root / ".trash" / "5f3"
    left.mkdir(parents=True)
    storage.delete_prefix("jobs/1")
    storage.delete_prefix("jobs/1")
    storage.delete_prefix("jobs/2")  # a key, not a folder: nothing lies below it
    assert storage.list_keys("jobs") == ["jobs/10/a", "jobs/2"]
    assert list((storage.root / ".trash").iterdir()) == []


@given(key=HOSTILE)
@example("..")
@example("../x")
@example("/etc/passwd")
@example("a/../../x")
@example("a\\..\\..\\x")
@example("C:x")
@example("//host/share")
@example("a\0")
@example("nul.txt")
def test_a_key_stays_below_the_root_or_is_refused(key: str) -> None:
    try:
        checked = checked_key(key)
    except ParameterError:
        return
    assert os.path.normpath(f"/base/of/keys/{checked}") == f"/base/of/keys/{key}"
    assert not any(ord(character) < 32 or character in "\\:" for character in checked)


@pytest.mark.parametrize("key", ["", "..", "a/../b", "/a", "a/", "a\\b", "C:a", "a\0", "con", "-a"])
def test_a_name_that_could_leave_is_refused_with_a_remedy(key: str) -> None:
    with pytest.raises(ParameterError) as caught:
        checked_key(key)
    assert caught.value.code in {"path_outside", "parameter_invalid"}
    assert caught.value.hint


@pytest.mark.parametrize("key", ["a", "jobs/12/tasks/3/1/v720.mp4", "a b/ü.m4s", "x" * 200])
def test_a_plain_name_is_a_key(key: str) -> None:
    assert checked_key(key) == key


def test_a_symbolic_link_leads_nowhere_outside(storage: LocalStorage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    storage.put_bytes(b"x", "jobs/a")
    (storage.root / "jobs/link").symlink_to(outside)
    (storage.root / "jobs/file").symlink_to(outside / "secret")
    for key in ("jobs/link/secret", "jobs/file", "jobs/link"):
        for act in (storage.exists, storage.delete_prefix):
            with pytest.raises(ParameterError) as caught:
                act(key)
            assert caught.value.code == "path_outside"
    with pytest.raises(ParameterError):
        storage.put_bytes(b"", "jobs/link/secret")
    storage.put_bytes(b"own", "jobs/file")
    assert (storage.root / "jobs/file").read_bytes() == b"own", "the link is replaced, not followed"
    storage.delete_prefix("jobs")
    (storage.root / ".trash").rmdir()
    (storage.root / ".trash").symlink_to(outside)
    with pytest.raises(ParameterError):
        storage.delete_prefix("jobs")
    assert (outside / "secret").read_text() == "secret"
