"""Links that are swapped in while something is written or deleted lead nowhere outside."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from adaptation.adapters.containment import OPEN_FOLDERS
from adaptation.adapters.exchange import swap as exchange
from adaptation.adapters.live import LiveArea
from adaptation.adapters.publish import discard_staging, publish, withdraw
from adaptation.adapters.removal import remove_files
from adaptation.adapters.storage import LocalStorage
from adaptation.errors import AdaptationError, OutputError

pytestmark = pytest.mark.skipif(not OPEN_FOLDERS.is_dir(), reason="held on Linux alone")
REFUSED = {"path_outside", "output_is_file", "output_exists", "publish_superseded"}
SWAPS = 30
"""So often a link must have stood in the way before the judge looks."""
STAY_SECONDS = 0.0005
"""How long it stands there."""
LIMIT_SECONDS = 30


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that nothing may be written to or deleted from."""
    folder = tmp_path / "outside"
    (folder / "film").mkdir(parents=True)
    (folder / "film" / "720p").mkdir()
    (folder / "film" / "precious").write_text("precious")
    return folder


def tree(folder: Path) -> dict[str, object]:
    """All that lies in a folder, and when it was changed: what came and went is seen as well."""
    found: dict[str, object] = {}
    for path in (folder, *folder.rglob("*")):
        facts = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[os.path.relpath(path, folder)] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


@contextmanager
def swapping(parent: Path, is_ours: Callable[[str], bool], target: Path) -> Iterator[list[int]]:
    """Replace folders in `parent` by links to `target` and put them back, as fast as can be."""
    over, count, numbers = threading.Event(), [0], itertools.count()

    def swap() -> None:
        while not over.is_set():
            link = parent.with_name(f"link-{next(numbers)}")
            link.symlink_to(target)
            with suppress(OSError):
                for name in [name for name in os.listdir(parent) if is_ours(name)]:  # noqa: PTH208
                    exchange(link, parent / name)
                    count[0] += 1
                    time.sleep(STAY_SECONDS)
                    exchange(link, parent / name)
            with suppress(OSError):
                link.unlink()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


def disturbed(count: list[int], ends: Sequence[str] = ("path_outside",)) -> Iterator[int]:
    """Turns until links were swapped often enough, and one was met."""
    end = time.monotonic() + LIMIT_SECONDS
    for turn in itertools.count():
        if count[0] >= SWAPS and "path_outside" in ends:
            return
        assert time.monotonic() < end, "nobody was disturbed"
        yield turn


def an_asset(work: Path) -> list[tuple[Path, str]]:
    segments = [f"720p/{number}.m4s" for number in range(40)]
    names = [*segments, "720p/playlist.m3u8", "master.m3u8", "asset.json"]
    for name in names:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(json.dumps({"asset_id": "a"}))
    return [(work / name, name) for name in names]


@pytest.mark.parametrize(
    ("swapped", "is_ours"),
    [
        ("assets", lambda name: name == "studio"),
        ("assets/studio", lambda name: name.endswith(".partial")),
        ("assets/studio", lambda name: name == "film"),
    ],
    ids=["the folder above", "the folder being filled", "the asset itself"],
)
def test_nothing_is_published_outside(
    tmp_path: Path, outside: Path, swapped: str, is_ours: Callable[[str], bool]
) -> None:
    root = tmp_path / "assets"
    files, before = an_asset(tmp_path / "work"), tree(outside)
    ends: list[str] = []
    (root / "studio").mkdir(parents=True)

    with swapping(tmp_path / swapped, is_ours, outside) as count:
        for turn in disturbed(count, ends):
            try:
                publish(
                    files,
                    root.resolve() / "studio/film",
                    asset_id=f"a{turn}",  # never the one that is there
                    token=f"job{turn}",
                    overwrite=True,
                    root=root,
                )
                ends.append("published")
            except AdaptationError as error:
                ends.append(error.code)
            with suppress(OSError):  # a link that was published in place of what was filled
                (root / "studio/film").unlink()
            discard_staging(root.resolve() / "studio/film", token=f"job{turn}", root=root)

    assert tree(outside) == before
    assert set(ends) <= {"published", OutputError.code, *REFUSED}


def test_what_is_deleted_on_demand_is_never_outside(tmp_path: Path, outside: Path) -> None:
    root = (tmp_path / "assets").resolve()
    before, film = tree(outside), root / "studio/film"

    with swapping(root, lambda name: name == "studio", outside) as count:
        for turn in disturbed(count):
            with suppress(AdaptationError, OSError):
                (film / "720p").mkdir(parents=True, exist_ok=True)
            with suppress(AdaptationError):
                remove_files([film / "precious", film / "720p/1.m4s"], root, lambda _: None)
            with suppress(AdaptationError):
                withdraw(film, token=f"job{turn}", root=root)

    assert tree(outside) == before


def test_nothing_is_stored_or_deleted_outside(tmp_path: Path, outside: Path) -> None:
    storage, before = LocalStorage(tmp_path / "work"), tree(outside)
    storage.put_bytes(b"x", "jobs/film/a")

    with swapping(tmp_path / "work/jobs", lambda name: name == "film", outside / "film") as count:
        for turn in disturbed(count):
            with suppress(AdaptationError, OSError):
                storage.put_bytes(b"x", f"jobs/film/720p/{turn}")
            if turn % 10 == 0:
                with suppress(AdaptationError, OSError):
                    storage.delete_prefix("jobs/film/720p")
                with suppress(AdaptationError, OSError):
                    storage.delete_prefix("jobs/film")

    assert tree(outside) == before


def test_nothing_grows_outside(tmp_path: Path, outside: Path) -> None:
    live, before = LiveArea(tmp_path / "live"), tree(outside)
    segment = tmp_path / "segment"
    segment.write_text("segment")
    live.add(1, segment, "720p/0.m4s")

    with swapping(tmp_path / "live", lambda name: name == "1", outside / "film") as count:
        for turn in disturbed(count):
            with suppress(AdaptationError, OSError):
                live.add(1, segment, f"720p/{turn}.m4s")

    assert tree(outside) == before
