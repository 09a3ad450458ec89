"""`adaptation keys`: the keys that seal the secrets in the database."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from cyclopts import App, Parameter

from adaptation.adapters.keyring import new_key_text
from adaptation.cli import output
from adaptation.cli.store import opened_store
from adaptation.engine.resealing import Resealed
from adaptation.errors import ParameterError
from adaptation.opening import Opening
from adaptation.settings import load_settings

AsJson = Annotated[bool, Parameter(name="--json")]

keys = App(
    name="keys",
    help="Make, list and change the keys that seal the secrets in the database.",
    default_parameter=Parameter(negative=(), show_default=False),
    version_flags=(),
)


@keys.command
def new() -> None:
    """Print a fresh key, for a file that all machines of a fleet get."""
    output.data(new_key_text())


@keys.command
def ls(*, as_json: AsJson = False) -> None:
    """List the keys, the newest first, with how many stored texts each has sealed.

    Args:
        as_json: Print a JSON array.
    """
    with opened_store() as store:
        found = store.sealed_with()
    known = [key.id for key in Opening(load_settings()).keyring.all()]
    rows = [(one, found[one], one in known) for one in (*known, *sorted(found.keys() - set(known)))]
    if as_json:
        output.document(
            [{"id": one, "sealed": amount, "is_there": there} for one, amount, there in rows]
        )
        return
    cells = [(one, str(amount), "" if there else "missing") for one, amount, there in rows]
    for line in output.aligned([("key", "sealed", ""), *cells]):
        output.data(line)


@keys.command
def rotate(*, resume: bool = False) -> None:
    """Put a new key before the others, and seal with it all that is stored.

    What runs goes on meanwhile: the older keys stay, and open what they have sealed, until
    `adaptation keys drop`. Once more after an interruption: --resume.

    Args:
        resume: Make no key; seal with the newest there is what is not sealed with it yet.
    """
    if not resume:
        fresh = Opening(load_settings()).keyring.add()
        output.note(f"Key {fresh.id} is the newest now.")
    done = _resealed()
    output.data(f"{done.changed} rows sealed anew")
    if others := _older(done.ids):
        output.note(f"hint: {others} texts are sealed with older keys: rotate --resume")
    else:
        output.note("hint: when a backup with the older keys is needed no more: keys drop")


@keys.command
def drop() -> None:
    """Forget all keys but the newest, once nothing is sealed with them.

    Backups of the database from before cannot be read without them.
    """
    keyring = Opening(load_settings()).keyring
    if left := _older(_resealed().ids):
        raise ParameterError(
            f"{left} stored texts are still sealed with older keys",
            code="secret_key_needed",
            hint="Let what runs come to rest, and try again.",
        )
    newest, *older = keyring.all()
    keyring.keep_newest()
    output.data(f"{len(older)} older keys dropped; {newest.id} stays")


def _resealed() -> Resealed:
    with opened_store() as store:
        return store.reseal()


def _older(ids: Counter[str]) -> int:
    newest = Opening(load_settings()).keyring.all()[0].id
    return sum(amount for one, amount in ids.items() if one != newest)
