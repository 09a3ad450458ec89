"""The README's own commands, run as they stand there, in a fresh folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clips import make_plain
from command_line import loaded_command
from services import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
ENDING = "\nkill $!\nwait $! || true\n"
"""Stops what the block before it left in the background."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


@pytest.fixture
def newcomer(tmp_path: Path) -> Path:
    """A folder like the clone, with a film of one's own."""
    make_plain(tmp_path).rename(tmp_path / "film.mp4")
    return tmp_path


def test_the_commands_of_the_readme_work_in_their_order(newcomer: Path) -> None:
    encode, service = blocks("sh")
    port = str(free_port())
    script = f"set -e\n{encode}{service.replace('8020', port)}{ENDING}"
    environment = {**os.environ, "ADAPTATION_PORT": port}

    with loaded_command() as commands:
        (newcomer / ".venv").mkdir()
        (newcomer / ".venv" / "bin").symlink_to(commands)
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=newcomer,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    for asset in ("film_asset", "small_asset", "another_asset"):
        assert (newcomer / asset / "master.m3u8").is_file()
    *_, last, accepted = map(json.loads, done.stdout.splitlines()[-2:])
    assert (last["status"], last["complete"]) == ("completed", True)
    assert accepted == {"id": 4, "job_id": 4, "result": "accepted"}


def test_the_python_of_the_readme_works(newcomer: Path) -> None:
    encode, delay = blocks("python")

    made = python(encode, newcomer)
    task_id = python(delay, newcomer)

    assert made == f"True {newcomer / 'python_asset'}"
    assert re.fullmatch(r"[0-9a-f-]{36}", task_id)


def python(code: str, cwd: Path) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_make_demo_works_in_a_fresh_clone_with_an_empty_environment(tmp_path: Path) -> None:
    clone, home = tmp_path / "clone", tmp_path / "home"
    home.mkdir()
    copy_project(clone)
    python_folder = Path(sys.base_prefix) / "bin"
    environment = {"HOME": str(home), "PATH": f"{python_folder}:/usr/bin:/bin"}

    done = subprocess.run(
        ["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    asset = Path(done.stdout.splitlines()[-1])
    assert asset == clone / "demo" / "bigbuckbunny"
    assert (asset / "manifest.mpd").is_file()
    assert "adaptation play" in done.stderr
    pages = clone / "src" / "adaptation" / "dashboard" / "static" / "vendor"
    assert (pages / "shaka-player.js").is_file(), "the pages have their player"
    assert "Big Buck Bunny" in done.stderr, "the footage is credited"


def copy_project(target: Path) -> None:
    """Copy what git tracks or would track."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def test_the_demo_of_the_readme_is_what_make_knows() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)", README)) - {"needs", "it"}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))

    assert {"demo", "test", "bench"} <= named <= targets
    assert os.access(ROOT / ".ci" / "run", os.R_OK)
