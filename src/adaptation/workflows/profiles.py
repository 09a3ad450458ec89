"""Finds the profile a client asks for, among those of the package and of the operator."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptation.adapters.profiles import ProfileFile, profile_files
from adaptation.context import Context
from adaptation.errors import ParameterError
from adaptation.media.profile import Profile
from adaptation.media.profile_document import CLIENTS, client_override, invalid, merge, resolve

ENCODING = "encoding"
"""Field of checked parameters and contexts: all that the profile and the client have said."""
BASE = "extends"
"""Field of a profile's file: the profile it is laid over."""


def profile_of(context: Context) -> Profile:
    """The profile of a running job, as it was when the job was submitted."""
    return Profile.from_json(context[ENCODING])


@dataclass(frozen=True)
class Profiles:
    """All profiles of a deployment; files are read when one is asked for."""

    files: Mapping[str, ProfileFile]
    """By name."""
    ours: Mapping[str, ProfileFile]
    """The package's own, which a file of the same name may extend."""

    @classmethod
    def among(cls, folder: Path | None) -> Profiles:
        """Those of the package, and those in an operator's folder.

        Raises:
            SettingsError: the folder cannot be read.
        """
        return cls(profile_files(folder), profile_files(None))

    def find(self, name: str, client: str | None = None) -> Profile:
        """The profile of a name, as it is for a client.

        Args:
            name: as the client gave it.
            client: whose overrides in the profile apply; none: nobody's.

        Raises:
            ParameterError: `profile_unknown`; the hint has the nearest name and all others.
            SettingsError: `profile_invalid`.
        """
        if name not in self.files:
            raise self._unknown(name)
        document = self._document(self.files[name])
        override = client_override(name, document, client) if client else {}
        return resolve(name, document, [override])

    def clients(self, name: str) -> list[str]:
        """The clients for whom a profile is otherwise."""
        return sorted(self._document(self.files[name]).get(CLIENTS, {}))

    def _document(self, file: ProfileFile, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
        """A file's document, laid over the one it extends."""
        document = file.read()
        base = document.pop(BASE, None)
        if base is None:
            return document
        # A file of the same name means the package's own: to change only a part of that.
        among = self.ours if base == file.name else self.files
        seen = (*seen, file.path)
        if not isinstance(base, str) or base not in among or among[base].path in seen:
            raise invalid(file.name, f"{BASE} {base!r:.80} is no profile to build on")
        return merge(self._document(among[base], seen), document)

    def _unknown(self, name: str) -> ParameterError:
        near = difflib.get_close_matches(name, self.files, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        return ParameterError(
            f"there is no profile {name!r:.80}",
            code="profile_unknown",
            hint=f"{hint}There are {', '.join(self.files)}.",
        )
