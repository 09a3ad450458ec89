"""Addresses and log lines as they may be shown: without passwords, keys and signatures."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"
_SECRET = re.compile(
    r"sig|token|key|secret|pass|auth|cred|policy|hmac|session|code|jwt|x-amz-", re.I
)
_SCHEME = r"[a-z][a-z0-9+.-]{0,20}://"
_URL = re.compile(rf"{_SCHEME}(?:(?!{_SCHEME})[^\s\"'<>\\])+", re.I)
"""An address in a text; another one in its midst is judged by itself."""
_USER = re.compile(r"://[^\s/?#\"]{1,1000}@")
_QUERY = re.compile(r"(?<=[?&;])([^\s\"'?&;=]{1,100})=([^\s\"'&;]+)")
"""A pair of the query of an address that has lost its beginning, as in a log of requests."""
_KEY = re.compile(r"(ad_[a-z0-9]{8})_[A-Za-z0-9_-]{16,}([A-Za-z0-9_-]{4})")
_SIGNING = re.compile(r"whsec_[A-Za-z0-9+/_=-]+")
_QUOTES = r"[\s\"'\\]{0,4}"
_NAMED = re.compile(
    rf"((?:api[-_]?key|authorization|password|passwd|signing_secret){_QUOTES}[:=,]{_QUOTES}"
    rf"(?:b(?=[\"']))?{_QUOTES}(?:(?:basic|bearer|digest) +)?)[^\s\"'\\,;&]+",
    re.I,
)
"""A name and its value, as a header, a JSON member, or a pair of Python's bytes or text."""
_HINTS = ("key", "auth", "passw", "secret")
"""A text without any of them has no such name."""
_PAIR = re.compile(r"([^&;=]+)=([^&;]*)")
_URL_SAFE = str.maketrans("+/", "-_")
LEAST_LETTERS = 4
"""What is shorter is part of too much to be hidden everywhere."""
_NAME = re.compile(
    r".*(api[-_]?key|authorization|password|passwd|secret|cookie)|token|.*[-_]token"
    r"|.*(content|encryption|private|access|secret|playready)[-_]?keys?",
    re.I,
)
"""Names of fields whose text is secret, whatever it looks like."""


def masked(url: str) -> str:
    """Return `url` fit to be shown: no user, password, signature, token or fragment in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    _, at, host = parts.netloc.rpartition("@")
    rest = parts.path + parts.query + parts.fragment
    # An unescaped "/", "?" or "#" in a password ends the host early, in the midst of the secret.
    if "@" in rest and (at or ":" in host or not host):
        return HIDDEN
    query = _PAIR.sub(_masked_pair, parts.query)
    start = f"{parts.scheme}://{'***@' if at else ''}{host}" if host else ""
    return f"{start}{parts.path}" + (f"?{query}" if query else "")


def _masked_pair(pair: re.Match[str]) -> str:
    return f"{pair[1]}={HIDDEN}" if _SECRET.search(unquote(pair[1])) else pair[0]


def redacted(text: str) -> str:
    """Return a text fit to be logged, whatever it tells of.

    Hidden are our keys but for their prefix and last four letters, signing secrets, what
    follows `api-key:` and its like, and in addresses what `masked` hides.
    """
    # Most lines have none of it: to look for a few letters costs next to nothing.
    if "ad_" in text:
        text = _KEY.sub(rf"\1_{HIDDEN}\2", text)
    if "whsec_" in text:
        text = _SIGNING.sub(f"whsec_{HIDDEN}", text)
    if "://" in text:
        text = _USER.sub(f"://{HIDDEN}@", text)
        text = _URL.sub(_masked_address, text)
    if "=" in text and ("?" in text or "&" in text):
        text = _QUERY.sub(_masked_pair, text)
    lower = text.lower()
    if any(word in lower for word in _HINTS):
        text = _NAMED.sub(rf"\1{HIDDEN}", text)
    return text


def _masked_address(found: re.Match[str]) -> str:
    # One with nothing to hide keeps its form, such as that of a file or a database.
    return masked(found[0]) if any(mark in found[0] for mark in "@?#") else found[0]


def redacted_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a log line fit to be logged, with all that is in them."""
    return {name: _redacted_field(str(name), value) for name, value in fields.items()}


def secrets_of(url: str) -> tuple[str, ...]:
    """What `masked` hides of an address, each as it stands there and as it is meant."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ()
    user, at, _ = parts.netloc.rpartition("@")
    found = [user, user.partition(":")[2]] if at else []
    found += [value for name, value in _PAIR.findall(parts.query) if _SECRET.search(unquote(name))]
    found.append(parts.fragment)
    return tuple(dict.fromkeys(form for one in found if one for form in (one, unquote(one))))


def without(text: str, known: Iterable[str]) -> str:
    """Return a text in which known secrets do not stand, neither plain nor quoted nor in base64.

    For what another has said who was told them, such as a server that repeats a request.
    """
    forms = {form for one in known if len(one) >= LEAST_LETTERS for form in _forms(one)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def _forms(secret: str) -> set[str]:
    plain = secret.encode("utf-8", "surrogateescape")
    coded = base64.b64encode(plain).decode().rstrip("=")
    return {secret, quote(secret), quote(secret, safe=""), coded, coded.translate(_URL_SAFE)}


def is_secret(text: str) -> bool:
    """Whether a text has something in it that `redacted` hides."""
    return redacted(text) != text


@functools.lru_cache(1_000)
def is_secret_name(name: str) -> bool:
    """Whether what a field of this name holds is secret, whatever it looks like."""
    return _NAME.fullmatch(name) is not None


def _redacted_field(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_secret_name(name):
        return HIDDEN
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return redacted_fields(value)
    if isinstance(value, list | tuple):
        return [_redacted_field("", part) for part in value]
    # Something else is shown as its repr: only where that has a secret it becomes text here.
    shown = repr(value)
    hidden = redacted(shown)
    return value if hidden == shown else hidden
