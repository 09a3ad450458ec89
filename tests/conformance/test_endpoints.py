"""What every store must keep to about end points that take no callbacks."""

from __future__ import annotations

from typing import Any

import pytest

from adaptation.engine.callbacks import DELIVERED, DROPPED, PENDING
from adaptation.engine.deliveries import Delivery, Verdict
from adaptation.engine.endpoints import EndPoint
from adaptation.engine.store import Store
from adaptation.errors import ParameterError
from engine_kit import HandWorker

ONE, OTHER = "http://127.0.0.1:9/one?token=abc", "http://127.0.0.1:9/other"
SHOWN = "http://127.0.0.1:9/one?token=***"
REFUSED = Verdict(PENDING, 500, "500 no", 3600.0)


def ended(worker: HandWorker, *urls: str, client: str = "c") -> int:
    """A job whose three callbacks wait for each of these."""
    job_id = worker.queue(endpoints=urls, client=client)
    worker.run_all()
    return job_id


def settle(store: Store, **verdicts: Verdict) -> list[Delivery]:
    """Try what is due, with what comes of it by client."""
    tried = store.claim_deliveries(100, 100, 60.0, worker_id="w")
    store.settle_deliveries([(one, verdicts[one.client]) for one in tried])
    return tried


def facts(found: list[EndPoint]) -> list[tuple[Any, ...]]:
    return [(one.client, one.url, one.state, one.status, one.reason, one.waiting) for one in found]


def test_those_that_fail_are_listed_with_what_they_answered_and_how_much_waits(
    worker: HandWorker, store: Store
) -> None:
    ended(worker, ONE)
    ended(worker, ONE, client="d")
    assert store.end_points() == [], "what was never tried has not failed"

    settle(store, c=REFUSED, d=Verdict(DELIVERED, 200))

    assert facts(store.end_points()) == [("c", ONE, "failing", 500, "500 no", 3)]
    assert store.end_points("d") == []
    (one,) = store.end_points("c")
    assert one.next_try_at is not None
    assert one.next_try_at > one.since


def test_one_that_said_gone_is_listed_as_disabled(worker: HandWorker, store: Store) -> None:
    ended(worker, ONE)

    settle(store, c=Verdict(DROPPED, 410, "410 Gone"))

    assert facts(store.end_points()) == [("c", ONE, "disabled", None, "410 Gone", 0)]


def test_one_that_is_disabled_by_hand_gets_nothing_more_of_this_client(
    worker: HandWorker, store: Store
) -> None:
    job_id = ended(worker, ONE, OTHER)
    ended(worker, ONE, client="d")

    assert store.disable_end_point("c", ONE) == 3
    assert store.disable_end_point("c", ONE) == 0, "twice is as good as once"

    later = ended(worker, ONE)
    states = {one.url: one.state for one in store.deliveries(job_id)}
    assert states == {ONE: DROPPED, OTHER: PENDING}
    assert {one.state for one in store.deliveries(later)} == {DROPPED}
    assert {one.client for one in store.claim_deliveries(9, 9, 60.0) if one.url == ONE} == {"d"}
    assert facts(store.end_points()) == [("c", ONE, "disabled", None, "disabled by hand", 0)]
    (line,) = [line for line in store.logs(job_id) if line.progname == "callback"]
    assert "abc" not in line.message
    assert store.delivery_counts()[DROPPED] == 6


def test_what_is_under_way_to_one_that_is_disabled_is_dropped(
    worker: HandWorker, store: Store
) -> None:
    ended(worker, ONE)
    (sent,) = store.claim_deliveries(9, 9, 60.0)

    store.disable_end_point("c", ONE)

    assert store.settle_deliveries([(sent, Verdict(DELIVERED, 200))]) == 0
    assert store.claim_deliveries(9, 9, 60.0) == []


def test_one_that_is_enabled_hears_of_what_comes_from_then_on(
    worker: HandWorker, store: Store
) -> None:
    before = ended(worker, ONE)
    store.disable_end_point("c", ONE)

    assert store.enable_end_point("c", SHOWN) == 0

    after = ended(worker, ONE)
    assert {one.state for one in store.deliveries(before)} == {DROPPED}
    assert {one.state for one in store.deliveries(after)} == {PENDING}
    assert store.end_points() == []


def test_one_that_fails_is_tried_at_once_when_it_is_enabled(
    worker: HandWorker, store: Store
) -> None:
    ended(worker, ONE)
    (first,) = settle(store, c=REFUSED)
    assert store.claim_deliveries(9, 9, 60.0) == []

    assert store.enable_end_point("c", ONE) == 1

    (again,) = store.claim_deliveries(9, 9, 60.0, worker_id="w")
    assert (again.id, again.attempt) == (first.id, 2)
    assert store.enable_end_point("c", ONE) == 0, "what is under way is not sent twice"


def test_only_known_end_points_are_enabled_and_only_addresses_disabled(
    worker: HandWorker, store: Store
) -> None:
    store.disable_end_point("c", ONE)
    store.disable_end_point("c", ONE + "d")

    for url in (OTHER, SHOWN):  # two are shown so
        with pytest.raises(ParameterError) as caught:
            store.enable_end_point("c", url)
        assert caught.value.code == "end_point_unknown"
    with pytest.raises(ParameterError, match="no disabled or failing end point of client d"):
        store.enable_end_point("d", ONE)
    with pytest.raises(ParameterError, match="cannot be an end point"):
        store.disable_end_point("c", "ftp://127.0.0.1/x")
    with pytest.raises(ParameterError) as caught:
        store.disable_end_point("c", "http://***@127.0.0.1/x")
    assert caught.value.code == "end_point_unknown"
