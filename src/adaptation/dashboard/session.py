"""Who looks at a page: signed in with a client's key, known again by a sealed cookie."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import Response

from adaptation.adapters.vault import Vault
from adaptation.api.auth import Gatekeeper
from adaptation.api.problems import Problem
from adaptation.engine.clients import Client, Role
from adaptation.errors import AdaptationError

COOKIE = "adaptation_session"
FIELD = "dashboard session"
"""What the cookie is sealed for: nothing else that is sealed can stand in its place."""
LONGEST_SECONDS = 43_200
"""Twelve hours: a shift; then one signs in again."""
SAME_SITE = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site of requests that no other site has made (W3C Fetch Metadata)."""


class SignedOut(Exception):
    """Nobody is signed in, or no longer."""


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page."""

    client: Client
    token: str
    """Stands in every form of this session, and in none that another site can make."""

    @property
    def may_write(self) -> bool:
        """Whether it may change anything."""
        return self.client.role is not Role.READONLY

    @property
    def is_admin(self) -> bool:
        """Whether it sees all clients."""
        return self.client.role is Role.ADMIN


@dataclass(frozen=True)
class Sessions:
    """Begins sessions and knows them again; nothing of them is stored."""

    keeper: Gatekeeper

    def begin(self, request: Request, name: str, key: str) -> str:
        """The text of the cookie of a client that has shown its key.

        Raises:
            Problem: 401, or 429 after too many wrong keys.
        """
        self.keeper.admit(request, name, key)
        found = self.keeper.deployment.store.authenticated(name, key)
        if found is None:  # made invalid within this moment
            raise Problem(401, "the key is not valid any more")
        return self.begun(found[1])

    def begun(self, key_id: int) -> str:
        """The text of the cookie of whoever is known to hold a key, by its number."""
        facts = {"key": key_id, "at": int(time.time()), "token": secrets.token_urlsafe(24)}
        return self._vault.sealed(json.dumps(facts), FIELD)

    def visitor(self, text: str) -> Visitor:
        """Who holds a cookie.

        Raises:
            SignedOut: it is none of ours, too old, or its key is live no more.
        """
        try:
            facts = json.loads(self._vault.opened(text, FIELD)) if self._is_sealed(text) else {}
            key, began, token = int(facts["key"]), int(facts["at"]), str(facts["token"])
        except (AdaptationError, ValueError, KeyError, TypeError) as error:
            raise SignedOut from error
        client = self.keeper.deployment.store.holder(key)
        if client is None or not 0 <= time.time() - began <= LONGEST_SECONDS:
            raise SignedOut
        return Visitor(client, token)

    @property
    def _vault(self) -> Vault:
        return Vault(self.keeper.deployment.keyring)

    def _is_sealed(self, text: str) -> bool:
        # What is not sealed would be taken as it is.
        return bool(text) and self._vault.opened(text, FIELD) != text


def set_cookie(response: Response, request: Request, text: str) -> None:
    """Let a browser keep the session, out of reach of scripts and of other sites' forms."""
    response.set_cookie(
        COOKIE,
        text,
        max_age=LONGEST_SECONDS,
        path="/ui",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response) -> None:
    """Let a browser forget the session."""
    response.delete_cookie(COOKIE, path="/ui", httponly=True, samesite="lax")


def visitor(request: Request) -> Visitor:
    """Who looks at a page; whoever is not signed in is sent to the page where one signs in."""
    sessions: Sessions = request.app.state.sessions
    found = sessions.visitor(request.cookies.get(COOKIE, ""))
    request.state.client = found.client.name
    return found


Looking = Annotated[Visitor, Depends(visitor)]


def check_origin(request: Request) -> None:
    """Refuse what another site made a browser send.

    Raises:
        Problem: 403.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = request.headers.get("host", "")
    is_own = origin is None or urlsplit(origin).netloc == own
    if (site is not None and site not in SAME_SITE) or not is_own:
        raise Problem(403, "another site sent this", code="foreign_origin", hint="Use our pages.")


def check_token(given: str, known: Visitor) -> None:
    """Refuse a form that is not of this session.

    Raises:
        Problem: 403.
    """
    if not hmac.compare_digest(given.encode(), known.token.encode()):
        raise Problem(
            403,
            "the page was made for another session",
            code="form_outdated",
            hint="Load it again, and try once more.",
        )
