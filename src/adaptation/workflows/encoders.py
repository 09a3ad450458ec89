"""Finds out which encoders work on this machine: by a tiny encode, for lists promise too much."""

from __future__ import annotations

from collections.abc import Iterable

from adaptation.adapters import ffmpeg
from adaptation.adapters.process import Flag
from adaptation.adapters.tools import Tools, build_of
from adaptation.errors import SettingsError, ToolError
from adaptation.media.coding import ENCODERS, usual_encoder
from adaptation.media.encoder import fingerprint_command, trial_command

NEEDED = "libx264"
"""Part of every FFmpeg that is of use here: its errors are FFmpeg's own."""
_known: dict[tuple[str, Tools], str] = {}
_fingerprints: dict[tuple[str, str], str] = {}


def trouble(name: str, tools: Tools, cancelled: Flag | None = None) -> str:
    """Why an encoder does not work on this machine; empty if it does. Tried once a process.

    Args:
        name: a key of `ENCODERS`.
        tools: where FFmpeg is.
        cancelled: set by anybody to stop.

    Raises:
        ToolError: `tool_timeout`, which may pass.
        Cancelled: `cancelled` was set.
    """
    if (name, tools) not in _known:
        _known[name, tools] = _tried(name, tools, cancelled)
    return _known[name, tools]


def build_facts(
    names: Iterable[str], tools: Tools, cancelled: Flag | None = None
) -> dict[str, str]:
    """What tells FFmpeg and its encoders from others: all it says of its build, and digests.

    Few encoders' libraries tell their version: a digest is of what one makes of a few pictures.
    It is taken once a process, and again when FFmpeg says something else of its build.

    Args:
        names: keys of `ENCODERS`.
        tools: where FFmpeg is.
        cancelled: set by anybody to stop.

    Raises:
        ToolError: FFmpeg, or one of the encoders, does not work.
        Cancelled: `cancelled` was set.
    """
    build = build_of(tools)
    facts = {"ffmpeg": build}
    for name in names:
        if (name, build) not in _fingerprints:
            printed = ffmpeg.trial(fingerprint_command(name), tools, cancelled)
            _fingerprints[name, build] = printed.strip()
        facts[name] = _fingerprints[name, build]
    return facts


def check_encoder(name: str, tools: Tools, cancelled: Flag | None = None) -> None:
    """Refuse to begin with an encoder that does not work on the machine that is to use it.

    Raises:
        SettingsError: `encoder_unusable`; nothing else is ever taken in its place.
        ToolError, Cancelled: as `trouble`.
    """
    if name == NEEDED or not (why := trouble(name, tools, cancelled)):
        return
    instead = usual_encoder(ENCODERS[name].codec).name
    raise SettingsError(
        f"the encoder {name} does not work on this machine: {why}",
        code="encoder_unusable",
        hint="`adaptation doctor` lists those that do. Take a profile with one of them"
        + (f", such as {instead}" if instead != name else "")
        + ", or run this worker where the device and its driver are.",
    )


def _tried(name: str, tools: Tools, cancelled: Flag | None) -> str:
    try:
        ffmpeg.trial(trial_command(name), tools, cancelled)
    except ToolError as error:
        # A crash is how some drivers say that there is no device; slowness says nothing.
        if error.code == "tool_timeout":
            raise
        return _first_words(error.stderr_tail) or error.message
    return ""


def _first_words(stderr: str) -> str:
    """The first line an encoder wrote: what follows are consequences."""
    lines = [line for line in stderr.splitlines() if not line.startswith("Svt[")]
    return lines[0].rpartition("] ")[2].strip() if lines else ""
