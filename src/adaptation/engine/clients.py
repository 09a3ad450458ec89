"""Clients: who may submit and see jobs, in what limits, and how they are called back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from adaptation.errors import ParameterError
from adaptation.limits import Value, checked

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110 §5.6.2."""
HEADER_VALUE = re.compile(r"|[!-~]([ -~\t]*[!-~])?")
"""Visible ASCII, RFC 9110 §5.5: no line break can begin a header of its own."""
RESERVED_HEADERS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
"""What the sender itself decides."""
RESERVED_START = "webhook-"
KINDS = ("task", "job")
"""What a callback tells of; each has a template of its own."""
MOST = 2**31 - 1
"""Largest limit: what the database's column holds."""


class Role(StrEnum):
    """What a client may do."""

    ADMIN = "admin"
    CLIENT = "client"
    READONLY = "readonly"


@dataclass(frozen=True)
class CallbackStyle:
    """How the callbacks of a client are sent."""

    headers: dict[str, str] = field(default_factory=dict)
    """Headers sent besides the usual ones, by name."""
    templates: dict[Literal["task", "job"], str] = field(default_factory=dict)
    """Bodies as Jinja text, by what is told of; none: the usual body."""
    verify_tls: bool = True
    """Whether the receiver must have a certificate that is trusted."""

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> CallbackStyle:
        """As it was stored; what is missing is the usual."""
        return cls(
            dict(document.get("headers") or {}),
            dict(document.get("templates") or {}),
            bool(document.get("verify_tls", True)),
        )

    def check(self) -> None:
        """Refuse what cannot be sent.

        Raises:
            ParameterError: `callback_invalid`.
        """
        for name, value in self.headers.items():
            _check_header(name, value)
        for kind, template in self.templates.items():
            _check_template(kind, template)


@dataclass(frozen=True)
class Client:
    """Somebody who submits jobs or looks at them."""

    name: str
    role: Role
    rate: int | None = None
    """Requests a minute; None: as many as it likes."""
    most_unfinished: int | None = None
    """Jobs of it that may be unfinished at one time; None: as many as it likes."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """Parameters of its jobs, where they name none."""
    callback: CallbackStyle = field(default_factory=CallbackStyle)
    """How it is called back."""
    limits: dict[str, Value] = field(default_factory=dict)
    """Its own limits, by the names of `adaptation.limits.LIMITS`; None: no limit. Of what is not
    named, it may use as much as others."""
    created_at: datetime | None = None
    """When it was added; None: it is not stored yet."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            ParameterError: `client_invalid`, `callback_invalid`.
        """
        if not NAME.fullmatch(self.name):
            raise _invalid(
                f"a client cannot be called {self.name!r:.120}",
                "Give 1 to 100 letters, digits, dots, dashes or underscores; "
                "not a dot or a dash first.",
            )
        _check_limit("rate", self.rate, 1)
        _check_limit("most_unfinished", self.most_unfinished, 0)
        _check_defaults(self.defaults)
        checked(self.limits)
        self.callback.check()


@dataclass(frozen=True)
class Key:
    """One key of a client: all but the key itself, which nobody has but its holder."""

    id: int
    prefix: str
    """What it begins with."""
    created_at: datetime
    expires_at: datetime | None
    """Not valid from then on; None: no end is set."""
    used_at: datetime | None
    """When it was last shown, to a minute; None: never."""
    revoked_at: datetime | None
    """When it was made invalid; None: it was not."""

    @property
    def is_live(self) -> bool:
        """Whether it opens anything just now, by this machine's clock."""
        expired = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return self.revoked_at is None and not expired


def role_of(word: str) -> Role:
    """The role of that name.

    Raises:
        ParameterError: `client_invalid`.
    """
    try:
        return Role(word)
    except ValueError as error:
        known = ", ".join(Role)
        raise _invalid(f"there is no role {word!r}", f"There are: {known}.") from error


def client_unknown(name: str) -> ParameterError:
    """The error for a name that no client has."""
    return ParameterError(
        f"there is no client {name!r:.120}",
        code="client_unknown",
        hint="`adaptation client ls` lists the clients.",
    )


def _check_limit(name: str, value: object, least: int) -> None:
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST
    if value is not None and not fits:
        raise _invalid(f"{name} cannot be {value!r}", f"Give a whole number from {least}, or none.")


def _check_defaults(defaults: object) -> None:
    try:
        fits = isinstance(defaults, dict) and all(
            isinstance(name, str) and name for name in defaults
        )
        json.dumps(defaults, allow_nan=False)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise _invalid("the defaults are not a JSON object", "Give parameters by their names.")


def _check_header(name: str, value: str) -> None:
    if not HEADER_NAME.fullmatch(name):
        raise _unsendable(f"a header cannot be called {name!r:.120}", "Give a name as in X-Token.")
    lower = name.lower()
    if lower in RESERVED_HEADERS or lower.startswith(RESERVED_START):
        raise _unsendable(f"the header {name} is set by the sender", "Choose another header.")
    # The value may be a secret: the error does not repeat it.
    if not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
        raise _unsendable(
            f"the header {name} has a value that cannot be sent",
            "Give ASCII text without line breaks, and without blanks at its ends.",
        )


def _check_template(kind: str, template: str) -> None:
    if kind not in KINDS:
        raise _unsendable(f"there are no callbacks of a {kind!r}", f"Give: {', '.join(KINDS)}.")
    # Imported only now: most commands have to do with no template.
    from jinja2 import StrictUndefined, TemplateSyntaxError
    from jinja2.sandbox import SandboxedEnvironment

    try:
        SandboxedEnvironment(undefined=StrictUndefined).from_string(template)
    except TemplateSyntaxError as error:
        raise _unsendable(
            f"the template of {kind} callbacks, line {error.lineno}: {error.message}",
            "Mend the template; its language is Jinja.",
        ) from error


def _invalid(message: str, hint: str) -> ParameterError:
    return ParameterError(message, code="client_invalid", hint=hint)


def _unsendable(message: str, hint: str) -> ParameterError:
    return ParameterError(message, code="callback_invalid", hint=hint)
