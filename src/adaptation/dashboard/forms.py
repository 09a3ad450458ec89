"""What the forms of pages send: `application/x-www-form-urlencoded`, and only to us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from adaptation.api.problems import Problem
from adaptation.dashboard.session import Looking, Visitor, check_origin, check_token

MOST_FIELDS = 1_100
"""As many are read: a page of jobs has fewer."""


@dataclass(frozen=True)
class Form:
    """A form that was sent by somebody who may change things."""

    visitor: Visitor
    fields: Mapping[str, list[str]]

    def one(self, name: str, otherwise: str = "") -> str:
        """The value of a field; of several the last."""
        return self.fields.get(name, [otherwise])[-1]

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return self.fields.get(name, [])


def need_admin(visitor: Visitor) -> None:
    """Refuse who is no admin.

    Raises:
        Problem: 403.
    """
    if not visitor.is_admin:
        raise Problem(
            403, f"client {visitor.client.name} is no admin", hint="Sign in as one that is."
        )


async def fields_of(request: Request) -> dict[str, list[str]]:
    """The fields of a body.

    Raises:
        Problem: 400, 403.
    """
    check_origin(request)
    try:
        text = (await request.body()).decode()
        return parse_qs(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Problem(
            400, f"the form cannot be read: {error}", hint="Load the page again."
        ) from error


async def form(request: Request, looking: Looking) -> Form:
    """A form of this session, of somebody who may change things."""
    fields = await fields_of(request)
    sent = Form(looking, fields)
    check_token(request.headers.get("x-token") or sent.one("token"), looking)
    if not looking.may_write:
        raise Problem(
            403, f"client {looking.client.name} may only read", hint="Sign in as another client."
        )
    return sent


Sent = Annotated[Form, Depends(form)]
