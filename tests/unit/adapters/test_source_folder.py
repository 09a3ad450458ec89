"""Sources are deleted only as long as they are the files that were read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adaptation.adapters.source_folder import SourceFolder
from adaptation.errors import AdaptationError


@pytest.fixture
def folder(tmp_path: Path) -> SourceFolder:
    """Two files in a folder below a root."""
    place = tmp_path.resolve() / "root" / "film"
    place.mkdir(parents=True)
    for name in ("a.mp4", "b.mp4"):
        (place / name).write_text(f"of {name}")
    return SourceFolder(place, (place.parent,))


def test_files_that_are_what_they_were_are_deleted(folder: SourceFolder) -> None:
    (first, _) = folder.files()
    assert folder.remove([first]) == {}
    assert [path.name for path in folder.path.iterdir()] == ["b.mp4"]
    assert folder.remove([first]) == {}, "as another attempt does"


def _grown(path: Path) -> None:
    path.write_text("of another length")


def _touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _linked(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("b.mp4"))


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_grown, "it was changed meanwhile"),
        (_touched, "it was changed meanwhile"),
        (_linked, "it is no file any more"),
        (_a_folder, "it is no file any more"),
    ],
)
def test_a_file_that_is_another_one_by_now_is_left(
    folder: SourceFolder, change: Callable[[Path], None], why: str
) -> None:
    known = folder.files()
    change(folder.path / "a.mp4")

    assert folder.remove(known) == {"a.mp4": why}
    assert [path.name for path in folder.path.iterdir()] == ["a.mp4"]


def test_nothing_is_deleted_behind_a_link_that_took_the_folders_place(
    folder: SourceFolder,
) -> None:
    known = folder.files()
    elsewhere = folder.path.parent.parent / "elsewhere"
    folder.path.rename(elsewhere)
    folder.path.symlink_to(elsewhere)

    with pytest.raises(AdaptationError) as refused:
        folder.remove(known)
    assert refused.value.code in {"path_outside", "source_missing"}
    assert len(list(elsewhere.iterdir())) == 2
