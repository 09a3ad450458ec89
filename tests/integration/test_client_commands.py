"""`adaptation client` over the real database: what it prints, and what it never prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adaptation.engine.keys import is_well_formed
from adaptation.engine.store import Store
from adaptation.wiring import deploy
from command_line import adaptation, here


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """The database that the commands use."""
    store = deploy().store
    store.create()
    yield store
    store.close()


def add(name: str, *words: object) -> str:
    """Add a client; its key."""
    ended = here("client", "add", name, *words)
    assert ended.status == 0, ended.err
    return ended.out.strip()


def shown(name: str, *words: str) -> dict[str, Any]:
    """What `client show --json` prints."""
    document: dict[str, Any] = here("client", "show", name, "--json", *words).documents[0]
    return document


def test_the_key_alone_is_printed_and_opens_the_door(store: Store) -> None:
    ended = adaptation("client", "add", "ann")

    key = ended.out.strip()
    assert ended.status == 0
    assert is_well_formed(key)
    assert "shown once" in ended.err
    assert key not in ended.err
    found = store.authenticate("ann", key)
    assert found is not None
    assert found.role == "client"


def test_a_new_client_has_a_folder_of_its_own_unless_it_is_told_otherwise(store: Store) -> None:
    for words in (
        ("ann",),
        ("bob", "--output-root", "bob/films"),
        ("all", "--output-root", ""),
        ("boss", "--role", "admin"),
    ):
        add(*words)
    roots = {known.name: known.defaults.get("output_root") for known in store.clients()}
    assert roots == {"ann": "ann", "bob": "bob/films", "all": None, "boss": None}
    here("client", "set", "ann", "--output-root", "elsewhere")
    assert store.client("ann").defaults == {"output_root": "elsewhere"}
    assert here("client", "add", "con").code == "parameter_invalid"


def test_all_that_is_said_of_a_client_is_kept_and_can_be_taken_back(
    store: Store, tmp_path: Path
) -> None:
    body = tmp_path / "job.jinja"
    body.write_text("{{ job_id }}")
    words = ("--role", "readonly", "--rate", 5, "--most-unfinished", 0, "--source-storage", "in")
    style = ("--header", "X-A=b=c", "--header", "X-B=d", "--job-template", body, "--no-verify-tls")
    defaults = (
        "--output-root",
        "ann",
        "--default",
        "verify=full",
        "--default",
        "segment_seconds=6",
    )
    add("ann", *words, *style, *defaults)

    known = store.client("ann")
    assert (known.role, known.rate, known.most_unfinished) == ("readonly", 5, 0)
    assert known.defaults == {
        "source_storage": "in",
        "output_root": "ann",
        "verify": "full",
        "segment_seconds": 6,
    }
    assert known.callback.headers == {"X-A": "b=c", "X-B": "d"}
    assert known.callback.templates == {"job": "{{ job_id }}"}
    assert not known.callback.verify_tls

    back = ("--rate", "unlimited", "--source-storage", "", "--default", "verify", "--header", "X-B")
    body.write_text("")
    assert here("client", "set", "ann", *back, "--job-template", body, "--verify-tls").status == 0
    assert here("client", "set", "ann", "--role", "admin").status == 0

    known = store.client("ann")
    assert (known.role, known.rate, known.most_unfinished) == ("admin", None, 0)
    assert known.defaults == {"output_root": "ann", "segment_seconds": 6}
    assert known.callback.headers == {"X-A": "b=c"}
    assert known.callback.templates == {}
    assert known.callback.verify_tls


def test_secrets_are_shown_only_where_they_are_asked_for(store: Store) -> None:
    key = add("ann", "--header", "X-Token=s3cret")
    (secret,) = store.signing_secrets("ann")

    for words in (("show", "ann"), ("show", "ann", "--json"), ("ls",), ("ls", "--json")):
        ended = here("client", *words)
        assert ended.status == 0
        assert "ann" in ended.out
        assert not any(hidden in ended.out for hidden in ("s3cret", secret, key))
    revealed = here("client", "show", "ann", "--secret").out
    assert secret in revealed
    assert "X-Token=s3cret" in revealed
    assert shown("ann", "--secret")["signing_secrets"] == [secret]
    assert key not in revealed


def test_a_default_comes_from_a_file_and_is_not_shown(store: Store, tmp_path: Path) -> None:
    keys = [{"key_id": "a1" * 16, "key": "b2" * 16}]
    (tmp_path / "keys.json").write_text(json.dumps(keys, indent=1))
    add("ann", "--default-file", f"content_keys={tmp_path / 'keys.json'}")

    assert store.client("ann").defaults == {"content_keys": keys}
    assert "b2b2" not in here("client", "show", "ann").out + here("client", "ls", "--json").out
    assert here("client", "set", "ann", "--default-file", "content_keys").status == 2
    assert here("client", "set", "ann", "--default", "content_keys").status == 0
    assert store.client("ann").defaults == {}


def test_one_object_tells_a_program_everything_once(store: Store) -> None:
    (told,) = here("client", "add", "ann", "--json").documents

    assert store.authenticate("ann", told["key"])
    assert store.signing_secrets("ann") == (told["signing_secret"],)
    assert told["client"]["role"] == "client"


def test_keys_are_rotated_and_revoked(store: Store) -> None:
    first = add("ann")
    second = here("client", "rotate", "ann", "--overlap", "2h").out.strip()
    assert store.authenticate("ann", first)
    assert store.authenticate("ann", second)

    revoked = here("client", "revoke", "ann", first[:11])
    assert "hint" not in revoked.err
    assert store.authenticate("ann", first) is None
    assert [key["state"] for key in shown("ann")["keys"]] == ["valid", "revoked"]

    (told,) = here(
        "client", "rotate", "ann", "--overlap", "0", "--expires", "2090-01-01T00:00:00Z", "--json"
    ).documents
    assert store.authenticate("ann", second) is None
    assert store.authenticate("ann", told["key"])
    assert shown("ann")["keys"][0]["expires_at"] == "2090-01-01T00:00:00.000+00:00"

    last = here("client", "revoke", "ann", told["key"][:11])
    assert "adaptation client rotate ann" in last.hint


def test_a_signing_secret_is_rotated(store: Store) -> None:
    add("ann")
    (before,) = store.signing_secrets("ann")

    new = here("client", "rotate", "ann", "--secret").out.strip()

    assert store.signing_secrets("ann") == (new, before)


def test_a_removed_client_is_not_found(store: Store) -> None:
    key = add("ann")

    assert here("client", "remove", "ann").status == 0

    assert store.authenticate("ann", key) is None
    again = here("client", "remove", "ann")
    assert (again.status, again.code) == (4, "client_unknown")


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["add", "ann"], 2, "client_exists"),
        (["add", "a b"], 2, "client_invalid"),
        (["add", "bob", "--rate", "0"], 2, "client_invalid"),
        (["add", "bob", "--rate", "often"], 2, "usage"),
        (["add", "bob", "--role", "root"], 2, "usage"),
        (["add", "bob", "--default", "=1"], 2, "client_invalid"),
        (["add", "bob", "--default-file", "content_keys=/nowhere/file"], 2, "client_invalid"),
        (["add", "bob", "--header", "Host=h"], 2, "callback_invalid"),
        (["add", "bob", "--job-template", "/nowhere/file"], 2, "callback_invalid"),
        (["set", "bob", "--rate", "1"], 4, "client_unknown"),
        (["show", "bob"], 4, "client_unknown"),
        (["rotate", "bob"], 4, "client_unknown"),
        (["rotate", "ann", "--overlap", "soon"], 2, "parameter_invalid"),
        (["rotate", "ann", "--overlap", "366d"], 2, "parameter_invalid"),
        (["rotate", "ann", "--expires", "2001-01-01"], 2, "parameter_invalid"),
        (["revoke", "ann", "ad_"], 4, "key_unknown"),
        (["dance"], 2, "usage"),
    ],
)
def test_what_cannot_be_is_refused_with_a_code_and_a_hint(
    store: Store, words: list[str], status: int, code: str
) -> None:
    add("ann")

    ended = here("client", *words)

    assert (ended.status, ended.code, ended.out) == (status, code, "")
    assert ended.hint
    assert [known.name for known in store.clients()] == ["ann"]
    assert len(store.keys("ann")) == 1
