"""Links that sign somebody in once without a key, at the machine that has granted them."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.adapters.listening import is_of_this_machine_alone
from adaptation.api.problems import Problem
from adaptation.dashboard.answers import go_to
from adaptation.dashboard.session import Sessions, SignedOut, set_cookie, visitor

router = APIRouter()

PASS_SECONDS = 600
"""How long a link that nobody has used is good."""


@dataclass(frozen=True)
class Pass:
    """What a link is good for."""

    key_id: int
    """Number of the key whose holder one becomes."""
    to: str
    """The page one comes to."""
    until: float
    """Monotonic seconds."""


@dataclass
class Passes:
    """The links of one server; they are known to this process alone, and die with it."""

    _granted: dict[str, Pass] = field(default_factory=dict)
    """By the digest of its secret."""
    _used: dict[str, str] = field(default_factory=dict)
    """The pages that used ones led to."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def grant(self, key_id: int, to: str) -> str:
        """The address, below that of the server, that signs in whoever opens it first.

        Args:
            key_id: number of a live key.
            to: address of a page of ours.
        """
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._granted[_digest(secret)] = Pass(key_id, to, time.monotonic() + PASS_SECONDS)
        # In the query: paths are logged.
        return f"/ui/enter?pass={secret}"

    def taken(self, secret: str) -> Pass | None:
        """What a secret is good for, which it is no more from now on."""
        digest = _digest(secret)
        with self._lock:
            found = self._granted.pop(digest, None)
            if found is None or found.until < time.monotonic():
                return None
            self._used[digest] = found.to
        return found

    def led_to(self, secret: str) -> str:
        """The page that a used secret led to; empty: it was none."""
        return self._used.get(_digest(secret), "")


@router.get("/enter")
def enter(request: Request) -> Response:
    """Sign in whoever opens a link first, and go on to its page."""
    _refuse_others(request)
    secret = request.query_params.get("pass", "")
    passes: Passes = request.app.state.passes
    if found := passes.taken(secret):
        sessions: Sessions = request.app.state.sessions
        response = go_to(found.to)
        set_cookie(response, request, sessions.begun(found.key_id))
        return response
    to = passes.led_to(secret)
    if to and _is_signed_in(request):
        return go_to(to)
    raise Problem(
        403,
        "this link was used already, or is too old",
        code="link_used",
        hint="Sign in with a client's key, or run again what has printed it.",
    )


def _refuse_others(request: Request) -> None:
    """Refuse whoever is elsewhere, and pages of elsewhere whose name leads here.

    Raises:
        Problem: 403.
    """
    named = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    here = request.client.host if request.client else ""
    if not (is_of_this_machine_alone(here) and is_of_this_machine_alone(named)):
        raise Problem(403, "such links are for the machine that grants them", hint="Sign in.")


def _is_signed_in(request: Request) -> bool:
    try:
        visitor(request)
    except SignedOut:
        return False
    return True


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
