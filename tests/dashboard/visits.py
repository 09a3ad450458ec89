"""A person in a browser who looks at the pages, as far as a script can be one."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import services
from adaptation.dashboard.painting import STATIC
from api_kit import Caller

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SIGN_IN = "form.stack button"
VISIT_SECONDS = 420
_idle: list[subprocess.Popen[str]] = []
"""Browsers that make no visit just now."""


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
    driver = _idle.pop() if _idle else _start()
    assert driver.stdin is not None
    assert driver.stdout is not None
    patience = threading.Timer(VISIT_SECONDS, driver.kill)
    patience.start()
    try:
        driver.stdin.write(json.dumps({**asked, "steps": steps}) + "\n")
        driver.stdin.flush()
        answer = driver.stdout.readline()
    finally:
        patience.cancel()
    assert answer, f"the browser ended with status {driver.wait()}"
    _idle.append(driver)
    return Seen(**json.loads(answer))


def _start() -> subprocess.Popen[str]:
    """A browser that makes visits until this process ends: to start it costs three seconds."""
    driver = subprocess.Popen(
        need_browser(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # It lives in nobody's home.
        env={k: v for k, v in os.environ.items() if not k.startswith("ADAPTATION_")},
    )
    atexit.register(_end, driver)
    return driver


def _end(driver: subprocess.Popen[str]) -> None:
    """It ends when nobody can ask any more."""
    with driver, suppress(BrokenPipeError):
        assert driver.stdin is not None
        driver.stdin.close()


def good(seen: Seen, steps: list[list[str]], width: int) -> None:
    """Nothing went wrong, everybody can use it, and it fits on the screen."""
    assert seen.errors == []
    answers = list(zip(steps, seen.seen, strict=True))
    assert [answer for step, answer in answers if step == ["axe"] and answer] == []
    assert max(answer for step, answer in answers if step == ["wide"]) <= width


def signed_in(caller: Caller, to: str = "/ui/") -> list[list[str]]:
    """The first steps of everybody."""
    return [
        ["goto", to],
        ["fill", "[name=client]", caller.name],
        ["fill", "[name=api-key]", caller.key],
        ["click", SIGN_IN],
        ["see", ".who", caller.name],
    ]
