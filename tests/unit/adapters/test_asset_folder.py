"""An asset is read from its own folder and from nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adaptation.adapters.asset_folder import opened_asset
from adaptation.adapters.containment import OPEN_FOLDERS
from adaptation.errors import AdaptationError

pytestmark = pytest.mark.skipif(not OPEN_FOLDERS.is_dir(), reason="held on Linux alone")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    folder = tmp_path / "assets" / "film"
    (folder / "90p").mkdir(parents=True)
    (folder / "asset.json").write_text('{"asset_id": "mine"}')
    (folder / "90p" / "00001.m4s").write_bytes(b"segment")
    return folder


def code_of(film: Path, name: str) -> str:
    with (
        opened_asset(film, film.parent) as folder,
        pytest.raises(AdaptationError) as error,
        folder.reading(name),
    ):
        pass
    return error.value.code


def test_its_record_and_its_files_are_read(film: Path) -> None:
    with opened_asset(film, film.parent) as folder:
        assert folder.record() == {"asset_id": "mine"}
        with folder.reading("90p/00001.m4s") as file:
            assert file.read() == b"segment"
        with folder.files() as found:
            assert sorted(name for _, name in found) == ["90p/00001.m4s", "asset.json"]
            assert {name: path.read_bytes() for path, name in found}["90p/00001.m4s"] == b"segment"


def test_links_pipes_and_names_that_lead_elsewhere_are_not_read(film: Path) -> None:
    secret = film.parent / "secret"
    secret.mkdir()
    (secret / "00001.m4s").write_bytes(b"secret")
    (film / "linked").symlink_to(secret)
    (film / "90p" / "link.m4s").symlink_to(secret / "00001.m4s")
    os.mkfifo(film / "90p" / "pipe.m4s")
    (film / ".hidden").write_bytes(b"x")

    assert code_of(film, "linked/00001.m4s") == "path_outside"
    assert code_of(film, "../secret/00001.m4s") == "path_outside"
    assert code_of(film, "90p/link.m4s") == "asset_damaged"
    assert code_of(film, "90p/pipe.m4s") == "asset_damaged"
    assert code_of(film, "90p") == "asset_damaged"
    with opened_asset(film, film.parent) as folder, folder.files() as found:
        assert sorted(name for _, name in found) == ["90p/00001.m4s", "asset.json"]


def test_a_folder_stays_the_one_that_was_opened(film: Path, tmp_path: Path) -> None:
    with opened_asset(film, film.parent) as folder:
        film.rename(tmp_path / "away")
        film.symlink_to(tmp_path)
        assert folder.record() == {"asset_id": "mine"}


@pytest.mark.parametrize("make", ["link", "file", "nothing", "no json"])
def test_what_holds_no_asset_is_named(film: Path, make: str) -> None:
    other = film.parent / "other"
    if make == "link":
        other.symlink_to(film)
    elif make == "file":
        other.write_text("x")
    elif make == "no json":
        other.mkdir()
        (other / "asset.json").write_text("[")

    with pytest.raises(AdaptationError) as error, opened_asset(other, film.parent) as folder:
        folder.record()

    assert error.value.code == ("path_outside" if make == "link" else "asset_missing")
    assert "other" in error.value.message
