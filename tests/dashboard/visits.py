"""A person in a browser who looks at the pages, as far as a script can be one."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import services
from adaptation.dashboard.painting import STATIC
from api_kit import Caller

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SIGN_IN = "form.stack button"


@dataclass(frozen=True)
class Seen:
    """What a visit saw."""

    seen: list[Any]
    """An answer for each step; of most there is none."""
    errors: list[str]
    """What the browser complained of."""
    dialogs: list[str]
    """What it asked."""


def need_browser() -> list[str]:
    """The words that start a browser, or a skip."""
    services.need_node_package(ROOT, "playwright-core")
    services.need_node_package(ROOT, "axe-core")
    node = services.need_command("node", package="nodejs")
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    assert (STATIC / "vendor" / "htmx.min.js").is_file(), "make assets"
    return [node, str(HERE / "drive.mjs"), chromium]


def visit(
    url: str, steps: list[list[str]], *, width: int = 1280, dark: bool = False, scripts: bool = True
) -> Seen:
    """Take the steps; those that end are all taken, or an error tells which was not."""
    asked = {"url": url.rstrip("/"), "width": width, "dark": dark, "scripts": scripts}
    done = subprocess.run(
        need_browser(),
        input=json.dumps({**asked, "steps": steps}),
        capture_output=True,
        text=True,
        check=False,
        timeout=420,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return Seen(**json.loads(done.stdout))


def signed_in(caller: Caller, to: str = "/ui/") -> list[list[str]]:
    """The first steps of everybody."""
    return [
        ["goto", to],
        ["fill", "[name=client]", caller.name],
        ["fill", "[name=api-key]", caller.key],
        ["click", SIGN_IN],
        ["see", ".who", caller.name],
    ]
