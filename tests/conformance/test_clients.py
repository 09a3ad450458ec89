"""Clients and their keys: added, shown, replaced with no downtime, revoked, removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, event, text, update

from adaptation.engine.clients import CallbackStyle, Client, Role
from adaptation.engine.control import StateForbids
from adaptation.engine.keys import hash_of, make_key, new_signing_secret, prefix_of
from adaptation.engine.schema import client_key
from adaptation.engine.store import Store
from adaptation.errors import AdaptationError, ParameterError
from engine_kit import HandWorker

DAY = 86_400.0
STYLE = CallbackStyle({"X-Token": "t0p"}, {"job": "{{ job_id }}"}, verify_tls=False)


def refusal(call: Callable[[], object]) -> str:
    """The code with which a call is refused."""
    with pytest.raises(AdaptationError) as caught:
        call()
    assert caught.value.hint
    return caught.value.code


def shift_clock(store: Store, seconds: float, *columns: str) -> None:
    """Let all keys have become so much older."""
    earlier = {name: client_key.c[name] - int(seconds * 1000) for name in columns}
    with store.database.write() as connection:
        connection.execute(update(client_key).values(earlier))


def test_a_client_is_found_as_it_was_added(store: Store) -> None:
    assert not store.has_keys()

    added, key, secret = store.add_client(
        "ann.tv", "client", rate=60, most_unfinished=0, defaults={"priority": 3}, callback=STYLE
    )
    store.add_client("Bob", Role.READONLY)

    assert store.has_keys()
    assert store.client("ann.tv") == added
    assert replace(added, created_at=None) == Client(
        "ann.tv", Role.CLIENT, 60, 0, {"priority": 3}, STYLE
    )
    assert added.created_at is not None
    assert abs(datetime.now(UTC) - added.created_at) < timedelta(minutes=1)
    assert {known.name for known in store.clients()} == {"ann.tv", "Bob"}
    assert store.client("Bob").callback == CallbackStyle()
    assert store.signing_secrets("ann.tv") == (secret,)
    (kept,) = store.keys("ann.tv")
    assert (kept.prefix, kept.is_live, kept.used_at) == (prefix_of(key), True, None)


def test_only_the_right_name_with_a_right_key_is_let_in(store: Store) -> None:
    ann, key, _ = store.add_client("ann", "admin")
    _, other, _ = store.add_client("bob", "client")

    assert store.authenticate("ann", key) == ann
    assert store.authenticate("bob", key) is None
    assert store.authenticate("ann", other) is None
    assert store.authenticate("nobody", key) is None
    assert store.authenticate("ann", make_key()) is None
    for wrong in ("", key[:-1], key + "x", key.swapcase(), "ÿ\udce4" + key):
        assert store.authenticate("ann", wrong) is None
        assert store.authenticate(wrong, key) is None


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """The statements that any database is sent meanwhile."""
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_an_unknown_name_costs_as_much_as_a_wrong_key(store: Store) -> None:
    _, key, _ = store.add_client("ann", "client")
    store.authenticate("ann", key)
    wrong = make_key()
    costs = []

    for name, shown in (("ann", wrong), ("nobody", wrong), ("ann", key), ("nobody", key)):
        with counted_statements() as sent:
            store.authenticate(name, shown)
        costs.append([statement for statement in sent if "client_key" in statement])

    assert costs == [costs[0]] * 4
    assert len(costs[0]) == 1, "one read"
    with counted_statements() as sent:
        store.authenticate("ann", wrong[:-1])
    assert sent == [], "a key with a typo is told without the database"


def test_nothing_in_the_database_gives_a_key_back(store: Store) -> None:
    _, key, _ = store.add_client("ann", "client")

    with store.database.read() as connection:
        (row,) = connection.execute(text("SELECT * FROM client_key")).mappings()

    assert row["hash"] == hash_of(key)
    secret_part = key.removeprefix(prefix_of(key))
    assert not any(secret_part in str(value) for value in row.values())


def test_a_name_is_given_once_even_to_two_at_a_time(store: Store) -> None:
    def add(_: int) -> str:
        try:
            return store.add_client("ann", "client")[1]
        except ParameterError as error:
            return error.code

    with ThreadPoolExecutor(4) as crowd:
        told = list(crowd.map(add, range(4)))

    assert told.count("client_exists") == 3
    (key,) = set(told) - {"client_exists"}
    assert store.authenticate("ann", key)
    assert len(store.keys("ann")) == 1


def test_what_was_committed_unheard_is_repeated_with_the_same_end(store: Store) -> None:
    key, secret = make_key(), new_signing_secret()
    first = store.enrol(Client("ann", Role.CLIENT), key, secret)
    assert store.enrol(Client("ann", Role.CLIENT), key, secret) == first

    newer, newer_secret = make_key(), new_signing_secret()
    for _ in range(2):
        store.renew_key("ann", newer, overlap_seconds=DAY)
        store.renew_secret("ann", newer_secret)
    assert [known.prefix for known in store.keys("ann")] == [prefix_of(newer), prefix_of(key)]
    assert store.signing_secrets("ann") == (newer_secret, secret)

    store.remove_client("ann")
    store.forget_client("ann")
    assert store.clients() == []


@pytest.mark.parametrize("name", ["", "-ann", ".ann", "a b", "ä", "a/b", "a\n", "a" * 101])
def test_a_name_that_could_mislead_is_refused(store: Store, name: str) -> None:
    assert refusal(lambda: store.add_client(name, "client")) == "client_invalid"


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "root"},
        {"rate": 0},
        {"rate": True},
        {"rate": 1.5},
        {"rate": 2**31},
        {"most_unfinished": -1},
        {"limits": {"source_bytes": 0}},
        {"limits": {"speed": 1}},
        {"defaults": ["a"]},
        {"defaults": {"a": float("nan")}},
        {"defaults": {"a": object()}},
        {"created_at": None},
    ],
)
def test_a_change_that_cannot_be_changes_nothing(store: Store, wrong: dict[str, object]) -> None:
    before, _, _ = store.add_client("ann", "client")

    assert refusal(lambda: store.change_client("ann", **wrong)) == "client_invalid"
    assert store.client("ann") == before


def test_a_change_counts_at_once(store: Store) -> None:
    _, key, _ = store.add_client("ann", "client", rate=5, defaults={"a": 1})

    changed = store.change_client("ann", role="readonly", rate=None, callback=STYLE)

    assert store.authenticate("ann", key) == changed == store.client("ann")
    assert (changed.role, changed.rate, changed.defaults) == (Role.READONLY, None, {"a": 1})
    assert changed.callback == STYLE


def test_both_keys_open_during_the_overlap_and_the_old_one_ends_after_it(store: Store) -> None:
    _, old, _ = store.add_client("ann", "client")

    new = store.rotate_key("ann", overlap_seconds=DAY)

    assert store.authenticate("ann", old)
    assert store.authenticate("ann", new)
    shift_clock(store, DAY, "expires_at")
    assert store.authenticate("ann", old) is None
    assert store.authenticate("ann", new)


def test_a_third_key_ends_the_first_at_once(store: Store) -> None:
    _, first, _ = store.add_client("ann", "client")
    second = store.rotate_key("ann", overlap_seconds=DAY)

    third = store.rotate_key("ann", overlap_seconds=DAY)

    valid = [bool(store.authenticate("ann", key)) for key in (first, second, third)]
    assert valid == [False, True, True]
    assert [key.is_live for key in store.keys("ann")] == [True, True, False]


def test_an_overlap_never_lengthens_a_key_s_life(store: Store) -> None:
    store.add_client("ann", "client")
    soon = datetime.now(UTC) + timedelta(hours=1)
    store.rotate_key("ann", overlap_seconds=0, expires_at=soon)

    store.rotate_key("ann", overlap_seconds=DAY)

    _, former, first = store.keys("ann")
    assert former.expires_at is not None
    assert abs(former.expires_at - soon) < timedelta(seconds=1)
    assert not first.is_live


def test_many_rotations_at_a_time_leave_two_live_keys(store: Store) -> None:
    store.add_client("ann", "client")

    with ThreadPoolExecutor(6) as crowd:
        told = list(crowd.map(lambda _: store.rotate_key("ann", overlap_seconds=DAY), range(6)))

    assert sum(key.is_live for key in store.keys("ann")) == 2
    assert sum(bool(store.authenticate("ann", key)) for key in told) == 2


def test_a_revoked_key_opens_nothing_and_a_new_one_can_be_had(store: Store) -> None:
    _, key, _ = store.add_client("ann", "client")

    store.revoke_key("ann", prefix_of(key))
    revoked_at = store.keys("ann")[0].revoked_at
    store.revoke_key("ann", prefix_of(key))

    assert store.authenticate("ann", key) is None
    assert not store.has_keys()
    assert revoked_at == store.keys("ann")[0].revoked_at
    assert store.authenticate("ann", store.rotate_key("ann", overlap_seconds=0))


def test_when_a_key_was_used_is_noted_once_a_minute(store: Store) -> None:
    _, key, _ = store.add_client("ann", "client")

    store.authenticate("ann", key)
    first = store.keys("ann")[0].used_at
    store.authenticate("ann", key)
    assert first is not None
    assert store.keys("ann")[0].used_at == first

    shift_clock(store, 61, "used_at")
    store.authenticate("ann", key)
    later = store.keys("ann")[0].used_at
    assert later is not None
    assert later >= first


def test_the_former_signing_secret_signs_until_the_next_rotation(store: Store) -> None:
    _, _, first = store.add_client("ann", "client")
    second = store.rotate_secret("ann")
    assert store.signing_secrets("ann") == (second, first)
    third = store.rotate_secret("ann")
    assert store.signing_secrets("ann") == (third, second)
    assert store.signing_secrets("nobody") == ()


def test_a_client_leaves_when_its_jobs_have_ended_and_they_stay(
    store: Store, worker: HandWorker
) -> None:
    _, key, _ = store.add_client("ann", "client")
    job_id = worker.queue(client="ann")
    with pytest.raises(StateForbids, match=f"such as {job_id}"):
        store.remove_client("ann")
    assert store.authenticate("ann", key)

    worker.run_all()
    store.remove_client("ann")

    assert store.authenticate("ann", key) is None
    assert store.job(job_id).client == "ann"
    _, new, _ = store.add_client("ann", "client")
    assert store.authenticate("ann", key) is None
    assert store.authenticate("ann", new)


def test_who_is_not_there_is_named_so(store: Store) -> None:
    store.add_client("ann", "client")
    calls: list[Callable[[], object]] = [
        lambda: store.client("bob"),
        lambda: store.keys("bob"),
        lambda: store.change_client("bob", rate=1),
        lambda: store.remove_client("bob"),
        lambda: store.rotate_key("bob", overlap_seconds=1),
        lambda: store.revoke_key("bob", "ad_"),
        lambda: store.rotate_secret("bob"),
    ]
    assert {refusal(call) for call in calls} == {"client_unknown"}
    assert refusal(lambda: store.revoke_key("ann", "ad_")) == "key_unknown"


def test_times_that_cannot_be_are_refused(store: Store) -> None:
    store.add_client("ann", "client")
    past = datetime.now(UTC) - timedelta(seconds=1)
    naive = datetime(2040, 1, 1)  # noqa: DTZ001 - what is refused

    wrong: list[tuple[float, datetime | None]] = [(-1, None), (float("nan"), None), (1e12, None)]
    for seconds, end in [*wrong, (0, past), (0, naive)]:
        rotate = partial(store.rotate_key, "ann", overlap_seconds=seconds, expires_at=end)
        assert refusal(rotate) == "parameter_invalid"
    assert len(store.keys("ann")) == 1
