"""Make `.venv` hold exactly what the lock files name, by uv where it can be had, else by pip.

usage: python tools/environment.py run|dev

Only the standard library is used and nothing is written to standard output. `run` is what the
product needs, `dev` adds what its tests and checks need; a `.venv` that holds `dev` keeps it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apt

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "requirements"
PLACE = VENV / ".place"
"""Holds the folder this environment was made for: its scripts name it, so it cannot be moved."""
UNFINISHED = VENV / ".unfinished"
"""Exists while packages are being written; found at the start, it tells of a killed run."""
SETS = {"run": ("build", "run", "demo"), "dev": ("build", "dev", "demo")}


def main(wanted: str) -> int:
    """Bring `.venv` up to date for the set `wanted`; the exit code."""
    with _one_at_a_time():
        chosen = "dev" if _stamp("dev").exists() else wanted
        if _is_current(chosen):
            return 0
        if _is_broken() and not _create():
            return 1
        started = time.time()
        UNFINISHED.touch()
        if not (_sync_by_uv(chosen) or _sync_by_pip(chosen)):
            return 1
        subprocess.run([PYTHON, "-m", "compileall", "-q", ROOT / "src"], stdout=2, check=True)
        UNFINISHED.unlink()
        for name in {"run", chosen}:
            # As of the start: a lock that changed while it was being read is read again.
            _stamp(name).touch()
            os.utime(_stamp(name), (started, started))
    return 0


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _stamp(name: str) -> Path:
    return VENV / f".{name}"


def _locks(chosen: str) -> list[Path]:
    return [LOCKS / f"{name}.txt" for name in SETS[chosen]]


def _is_current(chosen: str) -> bool:
    if _is_broken() or not _stamp(chosen).exists():
        return False
    locks = [*_locks("run"), *_locks(chosen), LOCKS / "uv.txt"]
    inputs = [*locks, ROOT / "pyproject.toml", Path(__file__), PYTHON]
    made = _stamp(chosen).stat().st_mtime
    return all(path.stat().st_mtime < made for path in inputs)


def _is_broken() -> bool:
    if UNFINISHED.exists() or not PYTHON.exists():
        return True
    if not PLACE.exists() or PLACE.read_text() != str(ROOT):
        return True
    return not _run(PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))")


def _create() -> bool:
    shutil.rmtree(VENV, ignore_errors=True)
    made = _create_by_venv() or _create_by_uv()
    if not made and apt.available():
        # Debian keeps ensurepip in a package of its own.
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        made = apt.install([f"{version}-venv"]) and _create_by_venv()
    if made:
        UNFINISHED.touch()
        PLACE.write_text(str(ROOT))
    else:
        print(
            f"error: {sys.executable} cannot make a virtual environment\n"
            "hint: install its venv module (Debian, Ubuntu: apt-get install python3-venv) or uv",
            file=sys.stderr,
        )
    return made


def _create_by_venv() -> bool:
    # Asked of a new process: apt may have installed it since this one started.
    question = "import sys, importlib.util as i; sys.exit(i.find_spec('ensurepip') is None)"
    return _run(sys.executable, "-c", question) and _run(sys.executable, "-m", "venv", VENV)


def _create_by_uv() -> bool:
    uv = shutil.which("uv")
    return uv is not None and _run(uv, "venv", "--quiet", "--python", sys.executable, VENV)


def _sync_by_uv(chosen: str) -> bool:
    uv = _find_uv()
    if uv is None:
        return False
    locks = [*_locks(chosen), LOCKS / "uv.txt"]
    target = f"--python={PYTHON}"
    return _run(
        uv, "pip", "sync", target, "--require-hashes", "--compile-bytecode", *locks
    ) and _run(uv, "pip", "install", target, "--no-deps", "--no-build-isolation", "-e", ROOT)


def _find_uv() -> str | None:
    own = VENV / "bin" / "uv"
    if not own.exists():
        found = shutil.which("uv")
        if found is not None:
            return found
        _pip("install", "--require-hashes", "--only-binary", ":all:", "-r", LOCKS / "uv.txt")
    return str(own) if own.exists() else None


def _sync_by_pip(chosen: str) -> bool:
    print("uv cannot be used here, going on with pip", file=sys.stderr)
    locks = [f"--requirement={lock}" for lock in _locks(chosen)]
    return (
        _pip("install", "--require-hashes", "--no-deps", *locks)
        and _remove_strangers(chosen)
        and _pip("install", "--no-deps", "--no-build-isolation", "-e", ROOT)
    )


def _remove_strangers(chosen: str) -> bool:
    """Uninstall what no lock file names (any more): pip has no `sync`."""
    named = {"pip", "setuptools", "adaptation"}
    for lock in [*_locks(chosen), LOCKS / "uv.txt"]:
        named |= set(re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE))
    listing = [str(PYTHON), "-m", "pip", "list", "--format=freeze"]
    lines = subprocess.run(listing, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    installed = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    strangers = sorted(installed - named)
    return not strangers or _pip("uninstall", "--yes", *strangers)


def _pip(*arguments: str | Path) -> bool:
    return _run(PYTHON, "-m", "pip", *arguments)


def _run(*command: str | Path) -> bool:
    """Run `command` with its output on stderr; whether it ended well."""
    # uv knows only its own list of certificates unless told to use the machine's.
    environment = {"UV_SYSTEM_CERTS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **os.environ}
    return subprocess.run(command, check=False, stdout=2, env=environment).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
