"""What a machine says of itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adaptation.adapters.machine import may_encode_in_hardware


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody can tell")
def test_a_machine_without_a_graphics_card_encodes_in_software(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    (tmp_path / "dri" / "card0").touch()
    assert not may_encode_in_hardware(tmp_path)

    (tmp_path / "dri" / "renderD128").touch()
    assert may_encode_in_hardware(tmp_path)


@pytest.mark.parametrize("name", ["nvidia0", "nvidiactl", "dxg"])
def test_a_card_is_known_by_its_device(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert may_encode_in_hardware(tmp_path)
