"""What `client add` and `client set` can be told of a client, laid over what it had before."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from adaptation.adapters.containment import safe_key
from adaptation.engine.clients import CallbackStyle, Client, role_of
from adaptation.errors import ParameterError
from adaptation.limits import Value, in_words

Limit = int | Literal["unlimited"]


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """What is said of a client; what is not said stays as it is."""

    role: Literal["admin", "client", "readonly"] | None = None
    """admin sees and changes everything, client only what is its own, readonly changes nothing."""
    rate: Limit | None = None
    """Requests a minute it may send; or: unlimited."""
    most_unfinished: Limit | None = None
    """Jobs of it that may be unfinished at one time; or: unlimited."""
    limit: tuple[str, ...] = ()
    """NAME=VALUE: a limit of its own, such as source_bytes=20GB; =unlimited: none; NAME alone: the
    limit of all clients."""
    source_storage: str | None = None
    """Storage that its jobs read from, where they name none; an empty text: none."""
    destination_storage: str | None = None
    """Storage that its jobs write to, where they name none; an empty text: none."""
    output_root: str | None = None
    """Folder its relative output folders lie in, where its jobs name none; an empty text: none. A
    new client that is no admin has one of its name."""
    default: tuple[str, ...] = ()
    """NAME=VALUE: another parameter of its jobs, where they name none; NAME alone: no more."""
    default_file: tuple[str, ...] = ()
    """NAME=FILE: the same from a file, so that what is secret stands in no command."""
    header: tuple[str, ...] = ()
    """NAME=VALUE: a header its callbacks carry; NAME alone: no more."""
    task_template: Path | None = None
    """File with the body of callbacks about tasks, as Jinja text; an empty one: the usual body."""
    job_template: Path | None = None
    """File with the body of callbacks about jobs, as Jinja text; an empty one: the usual body."""
    verify_tls: Annotated[bool | None, Parameter(negative="--no-verify-tls")] = None
    """Whether receivers of its callbacks need a certificate that is trusted."""

    def over(self, known: Client) -> Client:
        """The client as it is to be.

        Raises:
            ParameterError: something cannot be read.
        """
        return replace(
            known,
            role=known.role if self.role is None else role_of(self.role),
            rate=_limit(self.rate, known.rate),
            most_unfinished=_limit(self.most_unfinished, known.most_unfinished),
            defaults=self._defaults(known.defaults),
            callback=self._callback(known.callback),
            limits=self._limits(known.limits),
        )

    def first_defaults(self, name: str) -> dict[str, Any]:
        """What a new client has before anything is said of it: a folder that is no other's.

        Args:
            name: of the client.

        Raises:
            ParameterError: `parameter_invalid`, no folder can be called so.
        """
        if self.role == "admin" or self.output_root is not None:
            return {}
        return {"output_root": safe_key(name, "output_root")}

    def _defaults(self, known: dict[str, Any]) -> dict[str, Any]:
        named: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("source_storage", "destination_storage", "output_root")
            if getattr(self, name) is not None
        }
        laid = known | named | {name: _value(text) for name, text in _pairs(self.default)}
        for name, path in _pairs(self.default_file):
            laid[name] = _value(_file(path or ""))
        return {name: value for name, value in laid.items() if value not in (None, "")}

    def _limits(self, known: dict[str, Value]) -> dict[str, Value]:
        laid = dict(known)
        for name, words in _pairs(self.limit):
            laid.pop(name, None)
            if words is not None:
                laid[name] = in_words(name, words)
        return laid

    def _callback(self, known: CallbackStyle) -> CallbackStyle:
        headers: dict[str, str | None] = {**known.headers, **dict(_pairs(self.header))}
        files = {"task": self.task_template, "job": self.job_template}
        read = {kind: _text(path) for kind, path in files.items() if path is not None}
        templates: dict[Any, str] = known.templates | read
        return CallbackStyle(
            {name: value for name, value in headers.items() if value is not None},
            {kind: text for kind, text in templates.items() if text.strip()},
            known.verify_tls if self.verify_tls is None else self.verify_tls,
        )


def _limit(wanted: Limit | None, known: int | None) -> int | None:
    if wanted is None:
        return known
    return None if wanted == "unlimited" else int(wanted)


def _pairs(words: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Names and values; None: the name alone was given."""
    parts = (word.partition("=") for word in words)
    return [(name.strip(), value if sign else None) for name, sign, value in parts]


def _value(text: str | None) -> Any:
    """A value in JSON, or else the text itself."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _file(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"the default in {path!r} cannot be read: {error}",
            code="client_invalid",
            hint="Give NAME=FILE, and a file with a parameter in JSON.",
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"the template {path} cannot be read: {error}",
            code="callback_invalid",
            hint="Give a file with Jinja text in UTF-8.",
        ) from error
