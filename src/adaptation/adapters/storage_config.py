"""Where a storage is and what opens it, checked before it is kept."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from adaptation.adapters.containment import safe_key
from adaptation.errors import ParameterError

KINDS = ("S3", "azure_blob", "gcs")
"""Services that are spoken to."""
LOCAL = "local"
"""The storage that is always there: folders of the machines."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
_WORD = re.compile(r"[A-Za-z0-9_.-]{0,128}")


@dataclass(frozen=True)
class StorageConfig:
    """Where a storage is, and what opens it."""

    name: str
    """By which jobs name it."""
    kind: str
    """One of `KINDS`."""
    bucket: str
    """The bucket, or Azure's container."""
    prefix: str = ""
    """Folder in it below which everything lies; empty: all of it."""
    endpoint: str = ""
    """http or https address of the service; empty: the kind's own."""
    region: str = ""
    """Of S3; empty: us-east-1."""
    account: str = ""
    """S3: id of the access key; Azure: the storage account; Google: empty."""
    private: bool = False
    """Whether the end point may lie in no public network."""
    secret_key: str = field(default="", repr=False)
    """S3: the secret access key; Azure: a key of the account; Google: the JSON of a service
    account."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            ParameterError: `storage_invalid`.
        """
        if not NAME.fullmatch(self.name) or self.name == LOCAL:
            raise _invalid(
                f"a storage cannot be called {self.name!r:.80}",
                f"Give 1 to 60 letters, digits, dots, dashes or underscores; {LOCAL} is taken.",
            )
        if self.kind not in KINDS:
            raise _invalid(
                f"there is no kind of storage {self.kind!r:.80}", f"There are: {', '.join(KINDS)}."
            )
        if not _BUCKET.fullmatch(self.bucket):
            raise _invalid(
                f"a bucket cannot be called {self.bucket!r:.80}",
                "Give its name alone, without an address or a folder.",
            )
        if not _WORD.fullmatch(self.region) or not _WORD.fullmatch(self.account):
            raise _invalid(
                "the region or account has letters that none has",
                "Give them as the service shows them, such as eu-central-1.",
            )
        self._check_access()

    def _check_access(self) -> None:
        if self.prefix and safe_key(self.prefix, "prefix") != self.prefix:
            raise _invalid(
                f"the prefix {self.prefix!r:.80} is not written as it must be",
                "Give plain names with one / between them.",
            )
        parts = urlsplit(self.endpoint)
        if self.endpoint and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise _invalid(
                "the end point is no http or https address",
                "Give it as in https://storage.example.org, or leave it out.",
            )
        if self.endpoint and (self.kind == "gcs" or parts.username or parts.query):
            raise _invalid(
                f"the end point of a storage of kind {self.kind} cannot be that",
                "Leave out users, passwords and queries; gcs takes no end point.",
            )
        if not self.secret_key or (self.kind != "gcs" and not self.account):
            raise _invalid(
                f"storage {self.name} has no key",
                "S3: --account with the id of the access key; azure_blob: the storage account;"
                " the secret by ADAPTATION_STORAGE_SECRET or --secret-file.",
            )

    def to_json(self) -> dict[str, Any]:
        """As it is stored; what seals documents knows `secret_key` by its name."""
        return asdict(self)


def storage_unknown(name: str) -> ParameterError:
    """The error for a name that no storage has."""
    return ParameterError(
        f"storage {name!r:.100} is not configured",
        code="storage_unknown",
        hint=f"{LOCAL} is always there; an operator adds others: adaptation storage add",
    )


def _invalid(message: str, hint: str) -> ParameterError:
    return ParameterError(message, code="storage_invalid", hint=hint)
