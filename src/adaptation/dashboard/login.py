"""The page where one signs in, and signing out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.api.problems import Problem
from adaptation.dashboard.answers import go_to, page
from adaptation.dashboard.forms import fields_of
from adaptation.dashboard.session import Looking, Sessions, check_token, drop_cookie, set_cookie

router = APIRouter()

HOME = "/ui/"


@router.get("/login")
def login(request: Request, to: str = HOME) -> Response:
    """Ask for a client's name and key."""
    return page(request, "login.html", None, to=own_address(to), name="", problem=None)


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Begin a session, and go on to the page that was wanted."""
    from anyio.to_thread import run_sync

    fields = await fields_of(request)
    name, key = (fields.get(field, [""])[-1].strip() for field in ("client", "api-key"))
    to = own_address(fields.get("to", [HOME])[-1])
    sessions: Sessions = request.app.state.sessions
    try:
        text = await run_sync(sessions.begin, request, name, key)
    except Problem as problem:
        facts = {"to": to, "name": name, "problem": problem}
        return page(request, "login.html", None, problem.status, **facts)
    response = go_to(to)
    set_cookie(response, request, text)
    return response


@router.post("/logout")
async def sign_out(request: Request, looking: Looking) -> Response:
    """End the session."""
    fields = await fields_of(request)
    check_token(fields.get("token", [""])[-1], looking)
    response = go_to("/ui/login")
    drop_cookie(response)
    return response


def own_address(address: str) -> str:
    """An address of ours: no other site is gone to after signing in."""
    is_ours = address.startswith(HOME) and "\\" not in address and "//" not in address
    return address if is_ours and address.isprintable() else HOME
