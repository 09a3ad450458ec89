"""JSON documents as they are stored: the secrets in them sealed, all else as it is.

A document without secrets costs a look at its text, and is stored byte for byte as before.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from adaptation.adapters.masking import is_secret, is_secret_name, redacted
from adaptation.adapters.vault import MARK, VERSION_MARK, Vault

_WORDS = (
    *("api_key", "api-key", "apikey", "auth", "passw", "secret", "token", "cookie"),
    *("content_key", "encryption_key", "private_key", "access_key", "playready_key"),
    *("whsec_", "ad_"),
    *('"headers"', MARK),
)
"""A text without any of them, and without an address that could hide something, has no secret."""
_ADDRESS = re.compile(r"://[^\"]*[@?#]")
HEADERS = "headers"
"""All that stands under this name is held to be secret: nobody knows which header is."""


@dataclass(frozen=True)
class Sealing:
    """How documents go into a database and come out of it."""

    vault: Vault
    seals: bool = True
    """Whether anything is sealed; what was sealed is opened in any case."""

    def to_text(self, document: Any) -> str:
        """A document as JSON text, its secrets sealed.

        Raises:
            SettingsError: as `Vault.sealed`.
        """
        text = json.dumps(document)
        if not self.seals or not may_hold_secrets(text):
            return text
        return json.dumps(self._sealed("", document))

    def from_text(self, text: str | bytes) -> Any:
        """The document that was stored, its secrets opened.

        Raises:
            SettingsError: as `Vault.opened`.
        """
        if isinstance(text, bytes):
            text = text.decode()
        document = json.loads(text)
        return self._opened("", document) if MARK in text else document

    def text_to_store(self, text: str, field: str) -> str:
        """A text that is stored as it is, or sealed as a whole if there is a secret in it."""
        is_secret_here = is_secret_name(field) or (
            may_hold_secrets(text) and _is_to_be_sealed(field, text)
        )
        return self.vault.sealed(text, field) if self.seals and is_secret_here else text

    def forms(self, text: str, field: str) -> tuple[str, ...]:
        """Everything that a text may be stored as by `text_to_store`."""
        return self.vault.forms(text, field) if self.text_to_store(text, field) != text else (text,)

    def _sealed(self, name: str, value: Any) -> Any:
        """A value under the name of the member, or of the list's member, that it stands in."""
        if value is None or isinstance(value, bool) or value in ("", {}, []):
            return value
        if is_secret_name(name):
            return self._whole(name, value)
        if isinstance(value, str):
            return self._text(name, value) if _is_to_be_sealed(name, value) else value
        if isinstance(value, dict):
            below = name == HEADERS
            return {
                inner: self._sealed(HEADERS if below else str(inner), part)
                for inner, part in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._sealed(name, part) for part in value]
        return value

    def _text(self, name: str, text: str) -> str:
        """An address is followed by what may be shown of it: jobs are looked for by their film."""
        shown = "" if name == HEADERS or text.startswith(MARK) else redacted(text)
        return self._whole(name, text) + (f" {shown}" if "://" in shown else "")

    def _whole(self, name: str, value: Any) -> str:
        return self.vault.sealed(json.dumps(value), name)

    def _opened(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(VERSION_MARK):
            return json.loads(self.vault.opened(value.partition(" ")[0], name))
        if isinstance(value, dict):
            below = name == HEADERS
            return {
                inner: self._opened(HEADERS if below else inner, part)
                for inner, part in value.items()
            }
        if isinstance(value, list):
            return [self._opened(name, part) for part in value]
        return value


def may_hold_secrets(text: str) -> bool:
    """Whether a JSON text is worth a closer look."""
    lower = text.lower()
    return any(word in lower for word in _WORDS) or (
        "://" in text and _ADDRESS.search(text) is not None
    )


def _is_to_be_sealed(name: str, text: str) -> bool:
    # What looks sealed already is sealed too: nobody must pass off a copy as what was sealed here.
    return name == HEADERS or text.startswith(MARK) or is_secret(text)
