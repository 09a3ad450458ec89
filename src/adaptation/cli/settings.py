"""`adaptation settings`: what can be changed while everything runs."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.store import opened_store, who_types
from adaptation.engine.setting import KNOWN, Number, known_setting
from adaptation.errors import ParameterError
from adaptation.settings import load_settings


def settings(
    name: str | None = None,
    value: str | None = None,
    /,
    *,
    reset: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """List the settings that count for all workers and controllers at once, or change one.

    They are kept in the database and take effect at once.

    Args:
        name: One of them.
        value: What it is from now on.
        reset: Let the default be in force again.
        as_json: Print a JSON array.
    """
    _refuse_half(name, value, reset=reset)
    with opened_store() as store:
        if name is not None and reset:
            store.unset_setting(name, by=who_types())
        elif name is not None and value is not None:
            created = store.set_setting(name, value, by=who_types())
            output.note(f"{name} setting {'created' if created else 'updated'}")
        found = _documents(store.chosen())
    rows = [row for row in found if name in {None, row["name"]}]
    if as_json:
        output.document(rows)
    else:
        for line in _table(rows):
            output.data(line)
    facts = {row["name"]: row["value"] for row in found}
    if 0 < facts["max_jobs"] <= facts["priority_slots"]:
        output.note("hint: all slots are reserved; jobs below the threshold are not started")


def _refuse_half(name: str | None, value: str | None, *, reset: bool) -> None:
    if reset and (name is None or value is not None):
        raise ParameterError(
            "--reset takes the name of a setting and no value",
            code="usage",
            hint="Such as: adaptation settings max_jobs --reset",
        )
    if name is not None:
        known_setting(name)


def _documents(chosen: dict[str, Number]) -> list[dict[str, Any]]:
    defaults = {known.name: known.default for known in KNOWN.values()} | _environment()
    return [
        {
            "name": known.name,
            "value": chosen.get(known.name, defaults[known.name]),
            "default": defaults[known.name],
            "meaning": known.meaning,
        }
        for known in KNOWN.values()
    ]


def _environment() -> dict[str, Number]:
    """The defaults that this machine's environment gives."""
    found = load_settings()
    return {"retry_limit": found.retry_limit, "retry_delay": found.retry_delay}


def _table(rows: list[dict[str, Any]]) -> list[str]:
    cells = [("setting", "value", "default", "meaning")]
    cells += [
        (row["name"], f"{row['value']:g}", f"{row['default']:g}", row["meaning"]) for row in rows
    ]
    return output.aligned(cells)
