"""The pages of error codes: what each means, and what to do; the same as in the documentation."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from markupsafe import Markup, escape

from adaptation.api.problems import Problem
from adaptation.dashboard.answers import page
from adaptation.dashboard.session import Looking

router = APIRouter()

TABLE = Path(__file__).with_name("codes.json")
"""Made by `make docs` from docs/errors.md and the source."""
_MARKS = re.compile(r"`([^`]+)`|\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True)
class Code:
    """What is said of an error code."""

    name: str
    group: str
    """What all of its kind have in common."""
    meaning: Markup
    is_retried: bool
    """Whether the engine itself tries again."""
    words: tuple[tuple[str, str], ...]
    """Sentences and remedies; what is only known then is `…`."""


@cache
def codes() -> dict[str, Code]:
    """All there are, by name."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return {
        name: Code(
            name,
            row["group"],
            marked_up(row["meaning"]),
            row["retried"],
            tuple((message, hint) for message, hint in row["words"]),
        )
        for name, row in rows.items()
    }


def marked_up(text: str) -> Markup:
    """A line of Markdown as HTML: words in code, and of links their words alone."""
    found, end = list[Markup](), 0
    for mark in _MARKS.finditer(text):
        word = Markup("<code>{}</code>").format(mark[1]) if mark[1] else escape(mark[2])
        found += [escape(text[end : mark.start()]), word]
        end = mark.end()
    return Markup("").join([*found, escape(text[end:])])


@router.get("/errors/{name}")
def code(request: Request, looking: Looking, name: str) -> Response:
    """One error code."""
    known = codes().get(name)
    if known is None:
        raise Problem(
            404, "there is no such error code", code="not_found", hint="/ui/errors lists them."
        )
    return page(request, "code.html", looking, code=known)


@router.get("/errors")
def all_codes(request: Request, looking: Looking) -> Response:
    """All error codes, by what they have in common."""
    groups: dict[str, list[Code]] = {}
    for one in codes().values():
        groups.setdefault(one.group, []).append(one)
    return page(request, "codes.html", looking, groups=groups)
