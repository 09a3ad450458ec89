"""The bodies of callbacks that clients' templates make, in a sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from adaptation.errors import ParameterError

MOST_LETTERS = 262_144
"""A body that is longer is held to be a mistake of its template."""
MOST_ROUNDS = 10_000
"""Of one loop over a range."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without what makes much of little: a worker must not run out of memory by it."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        raise SecurityError(f"{operator} cannot be used")


def _rounds(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MOST_ROUNDS:
        raise SecurityError(f"a range has {MOST_ROUNDS} rounds at most")
    return found


_JINJA = _Sandbox(undefined=StrictUndefined, autoescape=False)
_JINJA.globals["range"] = _rounds


def filled(template: str, fields: dict[str, Any]) -> str:
    """The body as JSON.

    Args:
        template: Jinja that gives JSON.
        fields: of the callback, as the template finds them.

    Raises:
        ParameterError: `callback_invalid`, the template fails with these fields.
    """
    try:
        body = _gathered(_JINJA.from_string(template).generate(fields))
        json.loads(body)
    except (TemplateError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _failed(str(error) or type(error).__name__) from error
    return body


def _gathered(pieces: Iterable[str]) -> str:
    found, letters = [], 0
    for piece in pieces:
        letters += len(piece)
        if letters > MOST_LETTERS:
            raise _failed(f"it gives more than {MOST_LETTERS} letters")
        found.append(piece)
    return "".join(found)


def _failed(reason: str) -> ParameterError:
    return ParameterError(
        f"the template of callbacks fails: {reason}",
        code="callback_invalid",
        hint="Mend it: adaptation client set NAME --job-template FILE",
    )
