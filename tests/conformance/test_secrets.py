"""What every store must keep to about secrets: none is readable in it, all of them still work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adaptation.adapters.keyring import Keyring
from adaptation.adapters.vault import Vault
from adaptation.engine import resealing
from adaptation.engine.callbacks import PENDING
from adaptation.engine.clients import CallbackStyle, Role
from adaptation.engine.deliveries import Delivery, Verdict
from adaptation.engine.lists import JobQuery
from adaptation.engine.schema import delivery, endpoint
from adaptation.engine.store import Store
from adaptation.errors import SettingsError
from engine_kit import HandWorker, small_registry
from planted import dump

SECRET = "hunter2-hunter2"
SOURCE = f"https://cdn.example.org/film.mp4?X-Amz-Signature={SECRET}"
HOOK = f"https://user:{SECRET}@127.0.0.1:9/hook?token={SECRET}"
OTHER = "https://user:another-one-2@127.0.0.1:9/hook?token=another-one-2"
SEMAPHORE = f"https://example.org/ready?token={SECRET}"
GONE = Verdict("dropped", 410, "gone")


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "secret.key", makes=True)


@pytest.fixture
def sealed(store: Store, keyring: Keyring, store_url: str) -> Iterator[Store]:
    """The store as a deployment opens it."""
    found = Store(store_url, Vault(keyring))
    yield found
    found.close()


@pytest.fixture
def hand(sealed: Store, tmp_path: Path) -> HandWorker:
    return HandWorker(sealed, small_registry(), tmp_path)


def queue(hand: HandWorker, *urls: str, **facts: Any) -> int:
    parameters = {"length": 1, "url": SOURCE, "rest_endpoints": list(urls)}
    known = {"endpoints": hand.store.named(urls), "client": "studio", "parameters": parameters}
    return hand.queue(**known | facts)


def claimed(store: Store) -> list[Delivery]:
    return store.claim_deliveries(100, 100, 60.0)


def test_a_dump_shows_no_secret_and_everything_comes_back(hand: HandWorker, sealed: Store) -> None:
    style = CallbackStyle(headers={"X-Studio": SECRET})
    _, key, signing = sealed.add_client("studio", Role.CLIENT, callback=style)
    job_id = queue(hand, HOOK, OTHER)
    waiting = queue(hand, HOOK, semaphore_url=SEMAPHORE)
    hand.run_all()
    first = next(one for one in claimed(sealed) if one.target == HOOK)
    sealed.keep_bodies({first.id: f'{{"password": "{SECRET}"}}'})

    told = dump(sealed)

    for secret in (SECRET, "another-one-2", key, signing):
        assert secret not in told
    job = sealed.job(job_id)
    assert job.parameters["url"] == SOURCE
    assert job.parameters["rest_endpoints"] == [HOOK, OTHER]
    assert sealed.job(waiting).semaphore_url == SEMAPHORE
    assert sealed.client("studio").callback == style
    assert sealed.signing_secrets("studio") == (signing,)
    assert SECRET in str(sealed.deliveries(job_id)[0].body)


def test_a_job_is_found_by_its_film_and_not_by_its_password(
    hand: HandWorker, sealed: Store
) -> None:
    job_id = queue(hand)

    assert [one.id for one in sealed.list_jobs(JobQuery(search="film.mp4?X-Amz"))] == [job_id]
    assert sealed.list_jobs(JobQuery(search=SECRET)) == []


def test_end_points_that_look_the_same_are_told_apart(hand: HandWorker, sealed: Store) -> None:
    job_id = queue(hand, HOOK, OTHER)
    hand.run_all()

    found = claimed(sealed)

    assert {one.target for one in found} == {HOOK, OTHER}
    assert len({one.url for one in sealed.deliveries(job_id)}) == 2
    assert all("hunter2" not in one.url and one.url.startswith("https://***@") for one in found)


def test_an_end_point_that_wants_none_gets_none_of_the_next_job(
    hand: HandWorker, sealed: Store
) -> None:
    queue(hand, HOOK)
    hand.run_all()
    sealed.settle_deliveries([(one, GONE) for one in claimed(sealed)])

    job_id = queue(hand, HOOK, OTHER)
    hand.run_all()

    states = {
        (one.url == sealed.address_name(HOOK), one.state) for one in sealed.deliveries(job_id)
    }
    assert states == {(True, "dropped"), (False, PENDING)}


def test_a_semaphore_and_a_signing_secret_are_known_under_every_key(
    hand: HandWorker, sealed: Store, keyring: Keyring
) -> None:
    _, _, signing = sealed.add_client("studio", Role.CLIENT)
    job_id = queue(hand, semaphore_url=SEMAPHORE)
    keyring.add()

    sealed.renew_secret("studio", signing)  # the same once more
    passed = sealed.pass_semaphore(SEMAPHORE)

    assert passed == 1
    assert sealed.job(job_id).semaphore_url is None
    assert sealed.signing_secrets("studio") == (signing,)


def test_rotation_seals_everything_anew_and_loses_nothing(
    hand: HandWorker, sealed: Store, keyring: Keyring
) -> None:
    _, _, signing = sealed.add_client("studio", Role.CLIENT)
    job_id = queue(hand, HOOK, OTHER)
    hand.run_all()
    old = keyring.all()[0].id
    new = keyring.add().id
    assert set(sealed.sealed_with()) == {old}

    done = sealed.reseal()

    assert done.changed > 0
    assert set(done.ids) == set(sealed.sealed_with()) == {new}
    assert sealed.reseal().changed == 0
    keyring.keep_newest()
    assert sealed.job(job_id).parameters["url"] == SOURCE
    assert {one.target for one in claimed(sealed)} == {HOOK, OTHER}
    assert sealed.signing_secrets("studio") == (signing,)


def test_rotation_goes_on_where_it_was_interrupted(
    hand: HandWorker, sealed: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        queue(hand, HOOK)
    keyring.add()
    whole, left = sealed._reseal_page, iter(range(2))

    def some(*given: Any) -> int:
        next(left)
        return whole(*given)

    monkeypatch.setattr(sealed, "_reseal_page", some)
    monkeypatch.setattr(resealing, "BATCH", 2)
    with pytest.raises((StopIteration, RuntimeError)):
        sealed.reseal()
    monkeypatch.undo()
    assert len(sealed.sealed_with()) == 2

    sealed.reseal()

    assert set(sealed.sealed_with()) == {keyring.all()[0].id}


def test_what_an_older_version_has_stored_is_read_and_then_sealed(
    store: Store, worker: HandWorker, sealed: Store
) -> None:
    store.add_client("studio", Role.CLIENT)
    job_id = queue(worker, HOOK)
    gone = queue(worker, OTHER)
    worker.run_all()
    store.settle_deliveries(
        [(one, GONE) for one in store.claim_deliveries(9, 9, 60.0) if one.job_id == gone]
    )
    assert SECRET in dump(store)
    assert sealed.job(job_id).parameters["url"] == SOURCE

    sealed.reseal()

    assert SECRET not in dump(sealed)
    assert "another-one-2" not in dump(sealed)
    with sealed.database.write() as connection:
        connection.execute(delivery.update().values(due_at=1))
        (disabled,) = connection.execute(select(endpoint.c.url)).scalars()
    assert disabled == sealed.address_name(OTHER)
    assert {one.target for one in claimed(sealed)} == {HOOK}


def test_without_the_key_a_secret_cannot_be_read_and_the_key_is_named(
    hand: HandWorker, sealed: Store, keyring: Keyring, store_url: str
) -> None:
    job_id = queue(hand)
    named = keyring.all()[0].id
    keyring.add()
    keyring.keep_newest()

    with pytest.raises(SettingsError, match=named) as caught:
        sealed.job(job_id)

    assert caught.value.code == "secret_key_missing"
