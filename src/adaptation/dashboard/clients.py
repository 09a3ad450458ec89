"""Pages of the clients: who may do what, in what limits, with which keys and end points."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.adapters.masking import HIDDEN, redacted_fields
from adaptation.api.auth import Engine
from adaptation.api.limits import limit_rows
from adaptation.api.problems import Problem
from adaptation.dashboard.answers import go_to, page
from adaptation.dashboard.forms import Form, Sent, need_admin
from adaptation.dashboard.said import told
from adaptation.dashboard.session import Looking, Visitor
from adaptation.engine.clients import Client, Role
from adaptation.engine.keys import prefix_of
from adaptation.limits import LIMITS, Value, in_words, length_seconds
from adaptation.wiring import Deployment

router = APIRouter()

HERE = "/ui/clients"
NO_LIMIT = "unlimited"


@router.get("/clients")
def clients(request: Request, looking: Looking, engine: Engine) -> Response:
    """All clients, what each may do, and how many of its keys live."""
    need_admin(looking)
    return _list(request, looking, engine)


@router.post("/clients")
def add(request: Request, sent: Sent, engine: Engine) -> Response:
    """Add a client, and show its first key, once."""
    need_admin(sent.visitor)
    name, role = sent.one("name").strip(), sent.one("role", Role.CLIENT)
    defaults = {} if role == Role.ADMIN else {"output_root": name}
    added, key, _ = engine.store.add_client(name, role, defaults=defaults)
    return _show(request, sent.visitor, engine, added.name, key)


@router.get("/clients/{name}")
def client(request: Request, looking: Looking, engine: Engine, name: str) -> Response:
    """All that is known of a client but its secrets."""
    need_admin(looking)
    return _show(request, looking, engine, name)


@router.post("/clients/{name}")
def change(sent: Sent, engine: Engine, name: str) -> Response:
    """Change what a client may do; what is left empty counts as for all clients."""
    need_admin(sent.visitor)
    known = engine.store.client(name)
    limits = {
        limit: in_words(limit, words)
        for limit in LIMITS
        if (words := sent.one(f"limit-{limit}").strip())
    }
    wanted: dict[str, Any] = {
        "role": sent.one("role", known.role),
        "rate": _number(sent, "rate"),
        "most_unfinished": _number(sent, "most_unfinished"),
        "limits": limits,
    }
    _refuse_last_admin(sent.visitor, known, wanted["role"])
    engine.store.change_client(name, **wanted)
    return go_to(told(f"{HERE}/{name}", "client-changed", name=name))


@router.post("/clients/{name}/rotate")
def rotate(request: Request, sent: Sent, engine: Engine, name: str) -> Response:
    """Make a new key and show it, once; the one before lives on for a while."""
    need_admin(sent.visitor)
    try:
        overlap = length_seconds(sent.one("overlap", "24h"))
    except ValueError as error:
        raise Problem(400, str(error), hint="Write it as 90m, 24h or 7d.") from error
    key = engine.store.rotate_key(name, overlap_seconds=overlap)
    return _show(request, sent.visitor, engine, name, key)


@router.post("/clients/{name}/revoke")
def revoke(sent: Sent, engine: Engine, name: str) -> Response:
    """Make a key invalid at once."""
    need_admin(sent.visitor)
    prefix = prefix_of(sent.one("prefix"))
    engine.store.revoke_key(name, prefix)
    return go_to(told(f"{HERE}/{name}", "key-revoked", name=prefix))


@router.post("/clients/{name}/end-points")
def end_point(sent: Sent, engine: Engine, name: str) -> Response:
    """Send an address nothing more, or send to it again."""
    need_admin(sent.visitor)
    closes = sent.one("do") == "disable"
    store = engine.store
    (store.disable_end_point if closes else store.enable_end_point)(name, sent.one("url"))
    return go_to(told(f"{HERE}/{name}", f"end-point-{'closed' if closes else 'opened'}"))


@router.post("/clients/{name}/remove")
def remove(sent: Sent, engine: Engine, name: str) -> Response:
    """Remove a client with all its keys; its jobs stay."""
    need_admin(sent.visitor)
    if name == sent.visitor.client.name:
        raise Problem(409, "you are signed in as this client", hint="Let another admin do it.")
    engine.store.remove_client(name)
    return go_to(told(HERE, "client-removed", name=name))


def _list(request: Request, visitor: Visitor, engine: Deployment) -> Response:
    keys = engine.store.keys_of_all()
    listed = [
        (one, sum(key.is_live for key in keys.get(one.name, ()))) for one in engine.store.clients()
    ]
    return page(request, "clients.html", visitor, clients=listed, roles=list(Role))


def _show(
    request: Request, visitor: Visitor, engine: Deployment, name: str, key: str = ""
) -> Response:
    known = engine.store.client(name)
    facts: dict[str, Any] = {
        "client": known,
        "key": key,
        "keys": engine.store.keys(name),
        "limits": [(row, _in_words(known, row.name)) for row in limit_rows(known, engine)],
        "defaults": redacted_fields(known.defaults),
        "callback": {
            **asdict(known.callback),
            "headers": dict.fromkeys(known.callback.headers, HIDDEN),
        },
        "end_points": engine.store.end_points(name),
        "roles": list(Role),
        "now": datetime.now(UTC),
    }
    return page(request, "client.html", visitor, **facts)


def _in_words(client: Client, name: str) -> str:
    """A limit of the client's own as the form takes it; empty: that of all clients."""
    if name in ("rate", "most_unfinished"):
        value: Value = getattr(client, name)
        return "" if value is None else str(value)
    if name not in client.limits:
        return ""
    value = client.limits[name]
    if isinstance(value, list):
        return ",".join(value)
    return NO_LIMIT if value is None else str(value)


def _number(sent: Form, name: str) -> int | None:
    words = sent.one(f"limit-{name}").strip()
    if words in ("", NO_LIMIT):
        return None
    if not words.isdecimal():
        raise Problem(400, f"{name} cannot be {words!r:.40}", hint="Give a whole number, or none.")
    return int(words)


def _refuse_last_admin(visitor: Visitor, known: Client, role: str) -> None:
    if known.name == visitor.client.name and role != known.role:
        raise Problem(409, "you cannot change your own role", hint="Let another admin change it.")
