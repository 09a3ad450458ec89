"""Addresses as they may be shown: without passwords, tokens and signatures."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_SECRET = re.compile(r"sig|token|key|secret|pass|auth|cred|policy|hmac|session|code|jwt", re.I)


def masked(url: str) -> str:
    """Return `url` fit to be shown: no user, password, signature, token or fragment in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    _, at, host = parts.netloc.rpartition("@")
    rest = parts.path + parts.query + parts.fragment
    # An unescaped "/", "?" or "#" in a password ends the host early, in the midst of the secret.
    if "@" in rest and (at or ":" in host or not host):
        return "***"
    query = re.sub(r"([^&;=]+)=([^&;]*)", _masked_pair, parts.query)
    start = f"{parts.scheme}://{'***@' if at else ''}{host}" if host else ""
    return f"{start}{parts.path}" + (f"?{query}" if query else "")


def _masked_pair(pair: re.Match[str]) -> str:
    return f"{pair[1]}=***" if _SECRET.search(unquote(pair[1])) else pair[0]
