"""Reads manifests as players do: by parsers of others, one of them strict, and by lxml."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

import judges
import services

HERE = Path(__file__).resolve().parent


def parsed(folder: Path) -> dict[str, Any]:
    """What the parsers find in the manifests of an asset, `hls` and `dash`, and `warnings`."""
    hls, dash = (found(folder / name) for name in (judges.MASTER, judges.MANIFEST))
    return {"warnings": hls["warnings"] + dash["warnings"], "hls": hls, "dash": dash}


def found(manifest: Path) -> dict[str, Any]:
    """What the parsers find in a manifest: see `read`."""
    return read(manifest.name, manifest.read_text())


def read(name: str, text: str) -> dict[str, Any]:
    """What the parsers find: `warnings`, `groups`, `variants`, `iframes`.

    Args:
        name: of a manifest; its end tells HLS from DASH.
        text: all of it.
    """
    process = _reader()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"name": name, "text": text}) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


@cache
def _reader() -> subprocess.Popen[str]:
    """Node with all parsers, which is started once: that takes longer than to read a manifest."""
    node = services.need_command("node", package="nodejs")
    for name in ("hls-parser", "m3u8-parser", "mpd-parser"):
        services.need_node_package(HERE.parent, name)
    # It outlives the test that needs it first, and must not look like something that it left.
    variables = {name: text for name, text in os.environ.items() if name in {"PATH", "LANG"}}
    process = subprocess.Popen(
        [node, str(HERE / "parsers.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=variables,
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    with process:
        process.terminate()


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
