"""`adaptation client`: who may use the API, with which keys, in what limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from adaptation.adapters.masking import HIDDEN, redacted_fields
from adaptation.cli import output
from adaptation.cli.client_options import Options
from adaptation.cli.store import opened_store
from adaptation.cli.when import moment
from adaptation.engine.clients import Client, Key, Role
from adaptation.engine.enrolment import CHANGEABLE
from adaptation.engine.keys import prefix_of
from adaptation.errors import ParameterError
from adaptation.limits import Value, length_seconds

ONCE = "This key is shown once and kept by nobody: put it where the client finds it."
LAST = "The keys before are valid no more."
AsJson = Annotated[bool, Parameter(name="--json")]

client = App(
    name="client",
    help="Say who may use the API, with which keys, in what limits.",
    default_parameter=Parameter(negative=(), show_default=False),
    version_flags=(),
)


@client.command
def add(name: str, /, *, options: Options = Options(), as_json: AsJson = False) -> None:  # noqa: B008 - frozen
    """Add a client, and print its first key.

    Unless it is an admin, its output folders lie in one that is called as it is.

    Args:
        name: 1 to 100 letters, digits, dots, dashes or underscores.
        as_json: Print a JSON object, with the secret that signs its callbacks.
    """
    wanted = options.over(Client(name, Role.CLIENT, defaults=options.first_defaults(name)))
    with opened_store() as store:
        added, key, secret = store.add_client(
            name,
            wanted.role,
            rate=wanted.rate,
            most_unfinished=wanted.most_unfinished,
            defaults=wanted.defaults,
            callback=wanted.callback,
            limits=wanted.limits,
        )
    if as_json:
        output.document({"client": _document(added), "key": key, "signing_secret": secret})
    else:
        output.data(key)
    output.note(f"Client {name} is added, with the role {added.role}.")
    output.note(ONCE)
    output.note(f"hint: what signs its callbacks: adaptation client show {name} --secret")


@client.command
def ls(*, as_json: AsJson = False) -> None:
    """List the clients.

    Args:
        as_json: Print a JSON array.
    """
    with opened_store() as store:
        found = store.clients()
    if as_json:
        output.document([_document(known) for known in found])
        return
    rows = [
        (known.name, str(known.role), _limit(known.rate), _limit(known.most_unfinished))
        for known in found
    ]
    _print_table(("client", "role", "requests a minute", "unfinished jobs"), rows)


@client.command
def show(name: str, /, *, secret: bool = False, as_json: AsJson = False) -> None:
    """Show a client with its keys: what they begin with, not the keys.

    Args:
        name: The client.
        secret: Also print what signs its callbacks, and the values of its headers.
        as_json: Print a JSON object.
    """
    with opened_store() as store:
        known, keys = store.client(name), store.keys(name)
        secrets = store.signing_secrets(name) if secret else ()
    document = _document(known, reveal=secret)
    if as_json:
        signing = {"signing_secrets": list(secrets)} if secret else {}
        output.document({**document, "keys": [_key_document(key) for key in keys], **signing})
        return
    for line in _lines(document):
        output.data(line)
    for number, value in enumerate(secrets):
        output.data(f"{'signs also' if number else 'signs':<16} {value}")
    output.data("")
    _print_table(("key", "state", "made", "used", "ends"), [_key_row(key) for key in keys])


@client.command(name="set")
def change(name: str, /, *, options: Options = Options()) -> None:  # noqa: B008 - frozen
    """Change what is known of a client, at once and everywhere.

    Args:
        name: The client.
    """
    with opened_store() as store:
        known = store.client(name)
        wanted = options.over(known)
        facts = {fact: getattr(wanted, fact) for fact in CHANGEABLE}
        # Only what is new: somebody else may change something else just now.
        new = {fact: value for fact, value in facts.items() if value != getattr(known, fact)}
        store.change_client(name, **new)
    output.note(f"Client {name} is changed.")


@client.command
def rotate(
    name: str,
    /,
    *,
    overlap: str = "24h",
    expires: str | None = None,
    secret: bool = False,
    as_json: AsJson = False,
) -> None:
    """Print a new key of a client; the one before lives on for a while, older ones end.

    Args:
        name: The client.
        overlap: How long the key before lives on, such as 90m, 24h or 7d; 24h when not given.
        expires: When the new key ends, such as 2030-01-31T22:00:00Z; never when not given.
        secret: Make a new secret that signs callbacks instead; the one before signs as well
            until the next time.
        as_json: Print a JSON object.
    """
    seconds = _seconds(overlap)
    with opened_store() as store:
        if secret:
            made, what = store.rotate_secret(name), "signing_secret"
        else:
            end = None if expires is None else moment(expires)
            made, what = store.rotate_key(name, overlap_seconds=seconds, expires_at=end), "key"
    if as_json:
        output.document({"client": name, what: made})
    else:
        output.data(made)
    if secret:
        output.note("Callbacks are signed with this secret and the one before.")
    else:
        output.note(f"The key before is valid for {overlap} more." if seconds else LAST)
        output.note(ONCE)


@client.command
def revoke(name: str, prefix: str, /) -> None:
    """Make a key invalid at once.

    Args:
        name: The client.
        prefix: What the key begins with, as `client show` lists it.
    """
    with opened_store() as store:
        store.revoke_key(name, prefix_of(prefix))
        left = sum(key.is_live for key in store.keys(name))
    output.note(f"The key {prefix_of(prefix)} of client {name} is revoked.")
    if not left:
        output.note(f"hint: {name} has no valid key any more: adaptation client rotate {name}")


@client.command
def remove(name: str, /) -> None:
    """Remove a client with all its keys; its jobs stay.

    Args:
        name: The client; it must have no unfinished jobs.
    """
    with opened_store() as store:
        store.remove_client(name)
    output.note(f"Client {name} is removed; its jobs stay.")


def _document(known: Client, *, reveal: bool = False) -> dict[str, Any]:
    """A client as JSON; the values of its headers and its defaults may be secrets."""
    facts = asdict(known)
    if not reveal:
        facts["defaults"] = redacted_fields(known.defaults)
        facts["callback"]["headers"] = dict.fromkeys(known.callback.headers, HIDDEN)
    return facts | {"role": str(known.role), "created_at": _iso(known.created_at)}


def _key_document(key: Key) -> dict[str, Any]:
    facts = {
        name: _iso(value) if isinstance(value, datetime) else value
        for name, value in asdict(key).items()
        if name != "id"
    }
    return facts | {"state": _state(key)}


def _key_row(key: Key) -> tuple[str, ...]:
    times = (key.created_at, key.used_at, key.revoked_at or key.expires_at)
    return (key.prefix, _state(key), *map(_local, times))


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.is_live else "expired"


def _lines(document: dict[str, Any]) -> list[str]:
    callback = document["callback"]
    facts = {
        "client": document["name"],
        "role": document["role"],
        "requests": f"{_limit(document['rate'])} a minute",
        "unfinished jobs": _limit(document["most_unfinished"]),
        "limit": [f"{name}={_limit(value)}" for name, value in document["limits"].items()],
        "default": [
            f"{name}={output.compact(value)}" for name, value in document["defaults"].items()
        ],
        "header": [f"{name}={value}" for name, value in callback["headers"].items()],
        "template of a": list(callback["templates"]),
        "certificates": "verified" if callback["verify_tls"] else "not verified",
    }
    return [
        f"{name:<16} {value}"
        for name, values in facts.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _limit(limit: Value) -> str:
    if isinstance(limit, list):
        return ",".join(limit)
    return "unlimited" if limit is None else str(limit)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")


def _local(time: datetime | None) -> str:
    return "-" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M}"


def _seconds(text: str) -> int:
    """A length of time, such as 90m.

    Raises:
        ParameterError: it cannot be read.
    """
    try:
        return length_seconds(text)
    except ValueError as error:
        raise ParameterError(str(error), hint="Write it as 90m, 24h or 7d.") from error


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        output.data("  ".join(padded).rstrip())
