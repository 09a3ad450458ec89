"""Each tool is found in its wheel or where the settings say, and tells its version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adaptation.adapters.tools import find_tools, versions
from adaptation.errors import SettingsError
from adaptation.settings import Settings

NAMES = ("ffmpeg", "ffprobe", "packager")


def test_the_wheels_carry_all_tools() -> None:
    found = versions(find_tools(Settings()))
    assert list(found) == list(NAMES)
    assert all(re.match(r"[nv]?\d+\.\d+", version) for version in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_overrides_the_wheel(name: str) -> None:
    chosen = Path("/bin/true")
    tools = find_tools(Settings().model_copy(update={name: chosen}))
    assert getattr(tools, name) == chosen


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["/nowhere/tool", "/etc/passwd", "/tmp"])
def test_a_path_that_cannot_be_run_names_its_setting(name: str, path: str) -> None:
    with pytest.raises(SettingsError, match=path) as caught:
        find_tools(Settings().model_copy(update={name: Path(path)}))
    assert caught.value.code == "tool_missing"
    assert f"ADAPTATION_{name.upper()}" in caught.value.hint
