"""`adaptation doctor`: what this machine can do, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from kombu.exceptions import OperationalError
from kombu.utils.url import sanitize_url

from adaptation import __version__
from adaptation.adapters.masking import redacted
from adaptation.adapters.sandbox import layers
from adaptation.adapters.tools import Tools, bubblewrap, find_tools, listed, versions, year_of
from adaptation.cli import exits, output
from adaptation.cli.output import size
from adaptation.engine.migrations import HEAD
from adaptation.engine.transport import is_local, make_app
from adaptation.errors import AdaptationError, SettingsError, ToolError
from adaptation.media.coding import ENCODERS
from adaptation.settings import Settings, load_settings
from adaptation.wiring import deploy
from adaptation.workflows.encoders import NEEDED, trouble

LITTLE_BYTES = 2_000_000_000
"""Less free space than this is a warning: a film needs it for one rendition."""
OLD_YEARS = 1
"""FFmpeg mends its decoders in all releases of the last year or so."""
PICTURES = {"h264": "H.264", "hevc": "HEVC", "av1": "AV1"}
"""Codecs of pictures as people call them."""
BRING_DRIVER = "Give this machine the device and its driver, or use software encoders."
REASON_LETTERS = 90
"""How much of the reason is shown: drivers talk a lot."""
BRING_FFMPEG = "Set ADAPTATION_FFMPEG to a build that has it."


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    """What is there."""
    why: str = ""
    """What it is needed for."""
    remedy: str = ""
    needed: bool = True
    """Whether nothing works without it."""

    @property
    def word(self) -> str:
        """How it stands."""
        return "ok" if self.ok else ("missing" if self.needed else "absent")


def doctor(*, as_json: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Tell what this machine can do, and what is missing.

    The exit status is 1 when something is missing that nothing works without.

    Args:
        as_json: Print a JSON array.
    """
    findings = list(examine(load_settings()))
    if as_json:
        output.document([asdict(finding) | {"status": finding.word} for finding in findings])
    else:
        for finding in findings:
            output.data(f"{finding.word:<8} {finding.name:<14} {finding.found}".rstrip())
            if not finding.ok:
                output.data(f"         {'':<14} needed for {finding.why}")
                output.data(f"         {'':<14} {finding.remedy}")
    bad = any(finding.needed and not finding.ok for finding in findings)
    return exits.JOB_FAILED if bad else exits.DONE


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything a job needs; a missing thing is a finding, never an error."""
    yield Finding("adaptation", ok=True, found=__version__)
    yield Finding("python", ok=True, found=f"{platform.python_version()} {sys.executable}")
    yield Finding("platform", ok=True, found=f"{platform.platform()}, {os.cpu_count()} processors")
    yield from _places(settings)
    yield shared_folder(settings)
    yield _chunk_cache(settings)
    yield _judged("database", "jobs and their state", lambda: _database(settings))
    yield _judged("secret keys", "storing passwords and signatures", lambda: _keys(settings))
    yield Finding("reachable", ok=True, found=_reachable(settings))
    yield _judged("broker", "telling workers of tasks", lambda: _broker(settings))
    yield from _tools(settings)
    yield from _sandbox(settings)
    yield _death_signal()


def _keys(settings: Settings) -> str:
    keyring = deploy(settings).keyring
    if keyring.makes and not keyring.text and not keyring.file.exists():
        return f"none yet; {keyring.file} is made when it is needed"
    ids = ", ".join(key.id for key in keyring.all())
    return f"{ids} in {'ADAPTATION_SECRET_KEY' if keyring.text else keyring.file}"


def _judged(name: str, why: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, ok=True, found=look())
    except AdaptationError as error:
        said = redacted(error.message)
        return Finding(name, ok=False, found=said, why=why, remedy=redacted(error.hint))


def _places(settings: Settings) -> Iterator[Finding]:
    places = {
        "home": settings.home,
        "work area": settings.work_root,
        "scratch": settings.scratch_root,
        "assets": settings.assets_root,
    }
    for name, folder in places.items():
        yield _judged(name, "files of jobs", lambda folder=folder: _place(folder))  # type: ignore[misc]
    free_bytes = shutil.disk_usage(_existing(settings.home)).free
    yield Finding(
        "free space",
        ok=free_bytes >= LITTLE_BYTES,
        found=f"{free_bytes / 1e9:.1f} GB in {settings.home}",
        why="the pieces of running jobs",
        remedy="Free some space, or set ADAPTATION_HOME to a folder on a larger disk.",
        needed=False,
    )


def shared_folder(settings: Settings) -> Finding:
    """Whether the machines of a fleet have a place for the files of one job."""
    if settings.work_storage:
        return _judged(
            "work storage",
            "what tasks of one job leave for each other",
            lambda: _reached(settings),
        )
    if settings.shared:
        found = f"{settings.shared}: every machine must see it under this name"
        return Finding("shared folder", ok=True, found=found)
    alone = is_local(settings.broker_url)
    return Finding(
        "shared folder",
        ok=alone,
        found="not needed: all tasks run on this machine"
        if alone
        else "none, and there is a broker",
        why="tasks of one job on several machines; without it, keep to one",
        remedy="Set ADAPTATION_SHARED to one folder for all machines, such as on NFS, or"
        " ADAPTATION_WORK_STORAGE to a storage.",
        needed=False,
    )


def _reached(settings: Settings) -> str:
    """List what lies at the very place where no job's files do.

    Raises:
        AdaptationError: as `ObjectStore.objects`.
    """
    deployment, name = deploy(settings), settings.work_storage
    try:
        deployment.store.create()
        deployment.storage(name).objects("jobs/0")
    finally:
        deployment.close()
    return f"{name} answers: all machines must have ADAPTATION_WORK_STORAGE={name}"


def _place(folder: Path) -> str:
    """Write to a folder, or to where it would be made.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return f"{folder} can be written"
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be written: {error.strerror}",
            hint="Set ADAPTATION_HOME to a folder on a local disk that you may write to.",
        ) from error


def _chunk_cache(settings: Settings) -> Finding:
    """How full the cache of chunks is; a job does without one that cannot be used."""
    if not settings.chunk_cache:
        return Finding("chunk cache", ok=True, found="off; ADAPTATION_CHUNK_CACHE gives it room")
    folder = settings.chunk_cache_root
    try:
        usage = deploy(settings).chunk_cache.usage()
        _place(folder)
    except (OSError, SettingsError) as error:
        reason = (
            f"{folder} cannot be read: {error.strerror}" if isinstance(error, OSError) else error
        )
        return Finding(
            "chunk cache",
            ok=False,
            found=str(reason),
            why="reusing encoded chunks",
            remedy="Set ADAPTATION_CHUNK_CACHE_FOLDER to a folder that you may write to.",
            needed=False,
        )
    found = f"{size(usage.used_bytes)} of {size(settings.chunk_cache)} used,"
    return Finding("chunk cache", ok=True, found=f"{found} {usage.entries} entries in {folder}")


def _reachable(settings: Settings) -> str:
    """Which addresses of a network sources and callbacks may have."""
    more = [*map(str, settings.allowed_networks), *sorted(settings.allowed_hosts)]
    return f"public addresses, and {', '.join(more)}" if more else "public addresses alone"


def _existing(folder: Path) -> Path:
    return next(
        parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir()
    )


def _database(settings: Settings) -> str:
    store = deploy(settings).store
    place = store.database.url.render_as_string(hide_password=True)
    try:
        store.create()
        if not store.database.is_sqlite:
            return f"{place}, version {HEAD}"
        with store.database.read() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    finally:
        store.close()
    if mode != "wal":
        raise SettingsError(
            f"{place} uses the journal {mode} instead of wal",
            hint="Put ADAPTATION_HOME on a local disk: network file systems cannot do it.",
        )
    return f"{place}, journal {mode}"


def _broker(settings: Settings) -> str:
    if is_local(settings.broker_url):
        return "none: tasks run in the process of `adaptation serve` or `encode`"
    place = ";".join(sanitize_url(url) for url in settings.broker_url.split(";"))
    app = make_app(settings.broker_url, ())
    connection: Any = app.connection_for_read()
    errors = (OSError, OperationalError, *connection.connection_errors, *connection.channel_errors)
    try:
        # As a worker begins: rights that are missing and a queue of another kind show here.
        app.amqp.default_queue(connection.default_channel).declare()
    except errors as error:
        raise SettingsError(
            f"{place} cannot be worked with: {error}",
            hint="Start it, correct its rights, or set ADAPTATION_BROKER_URL;"
            " memory:// needs no broker.",
        ) from error
    finally:
        connection.release()
    return place


def _tools(settings: Settings) -> Iterator[Finding]:
    try:
        tools = find_tools(settings)
        numbers = versions(tools)
    except AdaptationError as error:
        why = "all media work"
        yield Finding("tools", ok=False, found=error.message, why=why, remedy=error.hint)
        return
    for name, number in numbers.items():
        yield Finding(name, ok=True, found=f"{number} {getattr(tools, name)}")
    yield _age(tools)
    yield from _abilities(tools)


def _age(tools: Tools) -> Finding:
    """Whether FFmpeg is so old that known holes in it are likely."""
    year, now = year_of(tools), datetime.now(UTC).year
    return Finding(
        "age",
        ok=year is not None and now - year <= OLD_YEARS,
        found=f"ffmpeg is of {year}" if year else "ffmpeg does not say how old it is",
        why="the mends of decoders that hostile sources aim at",
        remedy="Install a newer one, and set ADAPTATION_FFMPEG to its path.",
        needed=False,
    )


def _abilities(tools: Tools) -> Iterator[Finding]:
    has = "aac" in listed(tools, "-encoders")
    found = "encoder, for sound tracks" if has else "FFmpeg has no such encoder"
    yield Finding("aac", ok=has, found=found, why="sound tracks", remedy=BRING_FFMPEG)
    for name, encoder in ENCODERS.items():
        if not encoder.is_hardware:
            yield _software(name, tools)
    for family in dict.fromkeys(e.family for e in ENCODERS.values() if e.is_hardware):
        yield _hardware(family, tools)
    has = "libvmaf" in listed(tools, "-filters")
    found = "filter, for measures of quality" if has else "FFmpeg has no such filter"
    why = "measures of quality"
    yield Finding("libvmaf", ok=has, found=found, why=why, remedy=BRING_FFMPEG, needed=False)


def _software(name: str, tools: Tools) -> Finding:
    """Whether a tiny encode comes to an end: the list of encoders is that of the build."""
    why = f"{PICTURES[ENCODERS[name].codec]} renditions"
    reason = _reason(name, tools)
    found = f"does not work: {reason}" if reason else f"encoder, tried, for {why}"
    needed = name == NEEDED
    return Finding(name, ok=not reason, found=found, why=why, remedy=BRING_FFMPEG, needed=needed)


def _reason(name: str, tools: Tools) -> str:
    try:
        return trouble(name, tools)
    except ToolError as error:
        return error.message


def _hardware(family: str, tools: Tools) -> Finding:
    """Which encoders of one kind of device bring a tiny encode to an end."""
    reasons = {name: _reason(name, tools) for name, e in ENCODERS.items() if e.family == family}
    able = [name for name, reason in reasons.items() if not reason]
    found = [f"tried: {', '.join(able)}"] if able else []
    found += list(dict.fromkeys(reason[:REASON_LETTERS] for reason in reasons.values() if reason))
    why = "profiles that name its encoders"
    return Finding(
        family, ok=bool(able), found="; ".join(found), why=why, remedy=BRING_DRIVER, needed=False
    )


def _sandbox(settings: Settings) -> Iterator[Finding]:
    """Every wall around a tool."""
    instead = bubblewrap()
    for layer in layers(settings.sandbox):
        needed = settings.sandbox == "required" and instead is None
        found, why, remedy = layer.found, layer.why, layer.remedy
        yield Finding(layer.name, layer.active, found, why=why, remedy=remedy, needed=needed)
    yield Finding(
        "bubblewrap",
        ok=instead is not None,
        found=f"{instead} works" if instead else "no bwrap that works is on the path",
        why="ADAPTATION_SANDBOX=required on kernels without landlock, and for nothing else",
        remedy="Install bubblewrap there, and let it make namespaces.",
        needed=False,
    )


def _death_signal() -> Finding:
    is_linux = sys.platform.startswith("linux")
    return Finding(
        "death signal",
        ok=is_linux,
        found="tools end with their worker" if is_linux else f"not on {sys.platform}",
        why="ending FFmpeg when a worker is killed",
        remedy="After a crash, look for FFmpeg processes that are left and end them.",
        needed=False,
    )
