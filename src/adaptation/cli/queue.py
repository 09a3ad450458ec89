"""`adaptation queue`: whether jobs that wait are started."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.store import opened_store, who_types
from adaptation.engine.setting import PAUSED, Changed
from adaptation.engine.store import Store

Deed = Literal["pause", "resume"]


def queue(
    do: Deed | None = None, /, *, as_json: Annotated[bool, Parameter(name="--json")] = False
) -> None:
    """Tell whether the whole queue is paused, and by whom; or pause it, or let it go on.

    While it is paused no job that waits is started; those that run go on to their ends.

    Args:
        do: pause or resume; only told of when not given.
        as_json: Print a JSON object.
    """
    with opened_store() as store:
        wanted = {"pause": 1, "resume": 0}.get(do or "")
        if wanted is not None and store.setting(PAUSED) != wanted:
            store.set_setting(PAUSED, wanted, by=who_types())
        _tell(store, as_json=as_json)


def _tell(store: Store, *, as_json: bool) -> None:
    paused, change = bool(store.setting(PAUSED)), store.last_changes().get(PAUSED)
    counts = store.counts().jobs
    facts = {"paused": paused, "queued": counts["queued"], "started": counts["started"]}
    if as_json:
        at = change.at.isoformat(timespec="milliseconds") if change else None
        changed = {"changed_by": (change.by or None) if change else None, "changed_at": at}
        output.document({**facts, **changed})
        return
    output.data(f"{sentence(change) if paused else 'The queue runs.'}")
    output.data(f"{facts['queued']} jobs wait, {facts['started']} run.")


def sentence(change: Changed | None) -> str:
    """Since when it is paused, and by whom."""
    if change is None:
        return "The queue is paused."
    who = f" by {change.by}" if change.by else ""
    return f"The queue is paused{who} since {change.at.astimezone():%Y-%m-%d %H:%M:%S}."
