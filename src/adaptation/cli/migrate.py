"""`adaptation migrate`: the tables of the database, as this version of the program needs them."""

from __future__ import annotations

from adaptation.cli import exits, output
from adaptation.engine.migrations import HEAD, HISTORY
from adaptation.opening import Opening
from adaptation.settings import load_settings


def migrate(*, check: bool = False) -> int:
    """Bring the database up to date.

    A SQLite database is brought up to date by whoever opens it. On PostgreSQL, stop all workers
    and controllers first: what they run is handed back and goes on afterwards.

    Args:
        check: Only tell; the exit status is 1 when there is something to do.
    """
    store = Opening(load_settings()).store
    try:
        if check:
            return _tell(store.database.version())
        found = store.migrate()
    finally:
        store.close()
    if found is None:
        output.data(f"made the tables, version {HEAD}")
    elif found == HEAD:
        output.data(f"up to date: version {HEAD}")
    else:
        output.data(f"brought from version {found} to {HEAD}")
    return exits.DONE


def _tell(found: str | None) -> int:
    if found == HEAD:
        output.data(f"up to date: version {HEAD}")
        return exits.DONE
    if found is None:
        output.data(f"empty: `adaptation migrate` makes the tables, version {HEAD}")
    elif found in HISTORY:
        output.data(f"outdated: `adaptation migrate` goes from version {found} to {HEAD}")
    else:
        output.data(f"newer: version {found}, and this program knows {HEAD}")
    return exits.JOB_FAILED
