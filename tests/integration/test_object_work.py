"""The work area in a storage: what one host puts there, every other one finds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.object_work import ObjectWork
from adaptation.adapters.storage import Storage
from adaptation.errors import AdaptationError, Cancelled, ParameterError
from storage_services import S3, Azure

AREA = "jobs/7/30/1"


@pytest.fixture(params=["s3", pytest.param("azure", marks=pytest.mark.long)])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """A bucket that nothing lies in."""
    service: S3 | Azure = request.getfixturevalue(request.param)
    return service.store()


@pytest.fixture
def host(store: ObjectStore, tmp_path: Path) -> Callable[[str], ObjectWork]:
    """A host of a fleet, by its name."""
    return lambda name: ObjectWork(tmp_path / name, lambda: store)


def keys(store: ObjectStore) -> list[str]:
    return [found.key for found in store.objects("")]


def test_what_one_host_puts_another_one_reads(
    host: Callable[[str], ObjectWork], store: ObjectStore, tmp_path: Path
) -> None:
    a_storage: Storage = host("a")
    made = tmp_path / "made.mp4"
    made.write_bytes(b"film" * 3_000_000)

    a_storage.put_file(made, f"{AREA}/film.mp4")
    a_storage.put_bytes(b"{}", f"{AREA}/part.json")

    other = host("b")
    assert other.open_local(f"{AREA}/film.mp4").read_bytes() == b"film" * 3_000_000
    assert other.open_local(f"{AREA}/part.json").read_bytes() == b"{}"
    store.delete([f"{AREA}/part.json"])
    assert other.open_local(f"{AREA}/part.json").read_bytes() == b"{}", "it is fetched once"
    assert other.jobs() == {7}


def test_tasks_of_one_host_fetch_a_file_once(
    host: Callable[[str], ObjectWork], store: ObjectStore
) -> None:
    host("a").put_bytes(b"x" * 20_000_000, f"{AREA}/film.mp4")
    other = host("b")

    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: other.open_local(f"{AREA}/film.mp4"), range(4)))

    assert len({(path, path.stat().st_ino) for path in paths}) == 1
    folder = paths[0].parent
    assert {path.name for path in folder.iterdir()} == {"film.mp4", ".film.mp4.lock"}


def test_a_folder_is_found_as_it_was_made_and_what_is_stored_is_not_sent_again(
    host: Callable[[str], ObjectWork], store: ObjectStore
) -> None:
    here, key = host("a"), f"{AREA}/asset"
    here.put_bytes(b"segment", "jobs/7/12/1/720p/00001.m4s")
    folder = here.new_folder(key)
    (folder / "720p").mkdir(parents=True)
    (folder / "720p/00001.m4s").hardlink_to(here.open_local("jobs/7/12/1/720p/00001.m4s"))
    (folder / "master.m3u8").write_bytes(b"#EXTM3U")

    here.put_folder(key)

    assert keys(store) == [*("jobs/7/12/1/720p/00001.m4s", f"{key}.folder", f"{key}/master.m3u8")]
    found = host("b").open_folder(key)
    assert (found / "720p/00001.m4s").read_bytes() == b"segment"
    assert {path.name for path in found.rglob("*")} == {"720p", "00001.m4s", "master.m3u8"}


def test_a_copy_of_a_folder_on_another_host_sends_only_what_is_new(
    host: Callable[[str], ObjectWork], store: ObjectStore
) -> None:
    here, there = host("a"), host("b")
    for name in ("1.m4s", "2.m4s"):
        path = here.new_folder(f"{AREA}/asset") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    here.put_folder(f"{AREA}/asset")

    copy = there.new_folder("jobs/7/31/1/asset")
    copy.mkdir(parents=True)
    for path in there.open_folder(f"{AREA}/asset").iterdir():
        (copy / path.name).hardlink_to(path)
    (copy / "3.m4s").write_bytes(b"new")
    there.put_folder("jobs/7/31/1/asset")

    sent = [key for key in keys(store) if key.startswith("jobs/7/31")]
    assert sent == ["jobs/7/31/1/asset.folder", "jobs/7/31/1/asset/3.m4s"]
    found = host("c").open_folder("jobs/7/31/1/asset")
    assert sorted(path.read_bytes() for path in found.iterdir()) == [b"1.m4s", b"2.m4s", b"new"]


def test_what_is_deleted_is_gone_and_a_neighbour_stays(
    host: Callable[[str], ObjectWork], store: ObjectStore
) -> None:
    here, there = host("a"), host("b")
    for job in (7, 70):
        here.put_bytes(b"x", f"jobs/{job}/1/1/a")
        there.open_local(f"jobs/{job}/1/1/a")

    here.delete_prefix("jobs/7")
    there.forget("jobs/7")

    assert keys(store) == ["jobs/70/1/1/a"]
    assert here.jobs() == there.jobs() == {70}
    for ask in (there.open_local, there.open_folder):
        with pytest.raises(AdaptationError, match="jobs/7/1/1/a") as caught:
            ask("jobs/7/1/1/a")
        assert caught.value.code == "work_missing"


def test_a_fetch_can_be_cancelled_and_no_key_leads_out(
    host: Callable[[str], ObjectWork],
) -> None:
    host("a").put_bytes(b"x", f"{AREA}/a")
    cancelled = threading.Event()
    cancelled.set()

    with pytest.raises(Cancelled):
        host("b").open_local(f"{AREA}/a", cancelled)
    with pytest.raises(ParameterError, match="key"):
        host("b").open_local("../a")
