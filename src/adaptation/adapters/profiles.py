"""Reads the files of encoding profiles: those of the package and those of the operator."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from adaptation.errors import SettingsError

OURS = Path(__file__).resolve().parent.parent / "profiles"
"""The folder of the package's own profiles."""
PARSERS = {".toml": tomllib.loads, ".json": json.loads}
"""What reads a file, by the end of its name."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""File names without their end that are names of profiles."""
MAX_BYTES = 100_000
"""Of a file; a larger one is no profile."""


@dataclass(frozen=True)
class ProfileFile:
    """One profile as it lies on the disk."""

    name: str
    """Of the profile: the file's without its end."""
    path: Path

    @property
    def is_ours(self) -> bool:
        """Whether it came with the package."""
        return self.path.parent == OURS

    def read(self) -> dict[str, Any]:
        """The document as written, not yet checked.

        Raises:
            SettingsError: `profile_invalid`; it cannot be read, or is no TOML or JSON table.
        """
        try:
            facts = self.path.stat()
            if facts.st_size > MAX_BYTES:
                raise self._invalid(f"the file is longer than {MAX_BYTES} bytes")
            document = deepcopy(_parsed(self.path, facts.st_mtime_ns, facts.st_size))
        except (OSError, ValueError) as error:
            raise self._invalid(str(error)) from error
        if not isinstance(document, dict):
            raise self._invalid("it is no table")
        return document

    def _invalid(self, what: str) -> SettingsError:
        return SettingsError(
            f"profile {self.name}: {what}",
            code="profile_invalid",
            hint=f"Mend {self.path}, or remove it.",
        )


@lru_cache(maxsize=64)
def _parsed(path: Path, mtime_ns: int, size_bytes: int) -> Any:  # noqa: ARG001 - what tells changes
    return PARSERS[path.suffix](path.read_text(encoding="utf-8"))


def profile_files(folder: Path | None) -> Mapping[str, ProfileFile]:
    """All profiles by name: those of `folder` replace the package's of the same name.

    Raises:
        SettingsError: `settings_invalid`, the folder cannot be read or a name is doubled.
    """
    found = {file.name: file for file in _our_files()}
    if folder is not None:
        found |= {file.name: file for file in _files_in(folder)}
    return dict(sorted(found.items()))


@cache
def _our_files() -> list[ProfileFile]:
    # Every job asks for them, and they change with the package alone.
    return _files_in(OURS)


def _files_in(folder: Path) -> list[ProfileFile]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in PARSERS)
    except OSError as error:
        raise SettingsError(
            f"the profiles in {folder} cannot be read: {error.strerror}",
            hint="Set ADAPTATION_PROFILES to a folder with TOML or JSON files, or unset it.",
        ) from error
    files = [ProfileFile(path.stem, path.absolute()) for path in paths]
    for number, file in enumerate(files):
        if not NAME.fullmatch(file.name):
            raise _bad_name(file.path, "use a-z, 0-9, _ and - in its name")
        if file.name in {other.name for other in files[:number]}:
            raise _bad_name(file.path, "another file has the same name with another end")
    return files


def _bad_name(path: Path, what: str) -> SettingsError:
    return SettingsError(
        f"{path} is no profile: {what}", hint="Rename or remove it, see ADAPTATION_PROFILES."
    )
