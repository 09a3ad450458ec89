"""The API for people: one page made of its description, without scripts and without a network."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, StrictUndefined

from adaptation.api.outline import outline

router = APIRouter()

_HERE = Path(__file__).parent
_STYLE = (_HERE / "reference.css").read_text()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none';"
    f" frame-ancestors 'none'; style-src 'sha256-{_HASH}'",
    "Referrer-Policy": "no-referrer",
}
"""Nothing is loaded from anywhere: the one style sheet is in the page, and known by its hash."""


@router.get("/docs", include_in_schema=False)
def reference(request: Request) -> HTMLResponse:
    """Every route with its parameters, bodies, answers and an example, and every object."""
    app = request.app
    page = getattr(app.state, "reference", None)
    if page is None:
        page = app.state.reference = _written(app.openapi(), app.openapi_url)
    return HTMLResponse(page, headers=HEADERS)


def _written(description: dict[str, object], url: str) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((_HERE / "reference.html").read_text())
    return template.render(page=outline(description, url), style=_STYLE)
