"""Assets that grow: what appears, and what a late worker may still do."""

from __future__ import annotations

from pathlib import Path

import pytest

from adaptation.adapters.live import LiveArea, write


@pytest.fixture
def area(tmp_path: Path) -> LiveArea:
    return LiveArea(tmp_path / "live")


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    path = tmp_path / "00001.m4s"
    path.write_bytes(b"segment")
    return path


def published(area: LiveArea, tmp_path: Path) -> Path:
    """The asset that job 1 grew to, as it lies in its own place."""
    asset = tmp_path / "asset"
    (asset / "v").mkdir(parents=True)
    (asset / "v" / "playlist.m3u8").write_text("final")
    area.finish(1, asset)
    assert area.folder(1).is_symlink()
    return asset


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_files_and_playlists_appear(area: LiveArea, segment: Path) -> None:
    area.add(1, segment, "v/00001.m4s")
    area.add(1, segment, "v/00001.m4s")
    with area.locked(1) as folder:
        write(folder / "v" / "playlist.m3u8", "growing")

    assert (area.folder(1) / "v" / "00001.m4s").read_bytes() == b"segment"
    assert (area.folder(1) / "v" / "playlist.m3u8").read_text() == "growing"


def test_who_comes_after_the_end_writes_nothing_into_the_asset(
    area: LiveArea, segment: Path, tmp_path: Path
) -> None:
    area.add(1, segment, "v/00001.m4s")
    asset = published(area, tmp_path)
    before = names(asset)

    with pytest.raises(NotADirectoryError):
        area.add(1, segment, "v/00002.m4s")
    with pytest.raises(NotADirectoryError), area.locked(1):
        pytest.fail("the asset was opened to be written to")

    assert names(asset) == before
    assert (asset / "v" / "playlist.m3u8").read_text() == "final"


def test_who_was_about_to_write_when_the_asset_was_finished_writes_beside_it(
    area: LiveArea, segment: Path, tmp_path: Path
) -> None:
    area.add(1, segment, "v/00001.m4s")
    with area.locked(1) as folder:
        asset = published(area, tmp_path)
        before = names(asset)
        with pytest.raises(FileNotFoundError):
            write(folder / "v" / "playlist.m3u8", "growing")

    assert names(asset) == before
    assert (asset / "v" / "playlist.m3u8").read_text() == "final"


def test_a_lock_that_is_held_for_long_is_not_waited_for_for_ever(
    area: LiveArea, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adaptation.adapters.live.LOCK_SECONDS", 0.05)
    with area.locked(1), pytest.raises(TimeoutError), area.locked(1):
        pytest.fail("two have the lock")
