"""What the doctor says of a fleet's files."""

from __future__ import annotations

from pathlib import Path

from adaptation.cli.doctor import shared_folder
from adaptation.settings import Settings

BROKER = "redis://127.0.0.1:1/0"


def test_a_fleet_without_a_shared_folder_is_warned() -> None:
    finding = shared_folder(Settings(broker_url=BROKER))
    assert (finding.ok, finding.needed) == (False, False)
    assert "ADAPTATION_SHARED" in finding.remedy


def test_one_machine_needs_no_shared_folder(tmp_path: Path) -> None:
    assert shared_folder(Settings()).ok
    assert shared_folder(Settings(broker_url=BROKER, shared=tmp_path)).ok


def test_what_a_job_leaves_is_shared_and_what_a_machine_needs_is_not(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", shared=tmp_path / "shared")
    places = settings.work_root, settings.live_root, settings.downloads_root
    for folder in (*places, settings.assets_root, settings.chunk_cache_root):
        assert folder.is_relative_to(tmp_path / "shared")
    assert settings.scratch_root.is_relative_to(tmp_path / "home")
    assert str(tmp_path / "home") in settings.database


def test_a_work_storage_that_is_not_there_is_told_and_what_goes_through_it_is_each_ones_own(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path / "home", shared=tmp_path / "shared", work_storage="work")
    finding = shared_folder(settings)
    assert (finding.ok, finding.found) == (False, "storage 'work' is not configured")
    assert "adaptation storage add" in finding.remedy
    for folder in (settings.work_root, settings.live_root, settings.downloads_root):
        assert folder.is_relative_to(tmp_path / "home")
    assert settings.shares_outputs, "assets may still lie in the shared folder"
    assert not Settings(work_storage="work").shares_outputs
