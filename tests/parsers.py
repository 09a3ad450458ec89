"""Reads the manifests of an asset as players do: by the parsers of Video.js, and by lxml."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from lxml import etree

import judges
import services

HERE = Path(__file__).resolve().parent


def parsed(folder: Path) -> dict[str, Any]:
    """What the parsers of Video.js read in the manifests of an asset."""
    node = services.need_command("node", package="nodejs")
    for name in ("m3u8-parser", "mpd-parser"):
        services.need_node_package(HERE.parent, name)
    given = {
        "hls": (folder / judges.MASTER).read_text(),
        "dash": (folder / judges.MANIFEST).read_text(),
    }
    done = subprocess.run(
        [node, str(HERE / "parsers.mjs")],
        input=json.dumps(given),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def described(group: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Language, default, autoselect and characteristics of each member by its name."""
    fields = ("language", "default", "autoselect", "characteristics")
    return {name: tuple(one.get(field) for field in fields) for name, one in group.items()}


def sets(folder: Path, kind: str) -> list[tuple[Any, ...]]:
    """Language, labels, roles and accessibility of each set in the DASH manifest."""
    found = []
    for one in etree.parse(folder / judges.MANIFEST).iter(f"{judges.MPD}AdaptationSet"):
        if one.get("contentType") == kind:
            labels = [label.text for label in one.findall(f"{judges.MPD}Label")]
            roles = [role.get("value") for role in one.findall(f"{judges.MPD}Role")]
            needs = [need.get("value") for need in one.findall(f"{judges.MPD}Accessibility")]
            found.append((one.get("lang"), labels, roles, needs))
    return found
