"""Configured storages in either database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adaptation.adapters.storage_config import StorageConfig
from adaptation.engine.store import Store
from adaptation.errors import ParameterError

FILMS = StorageConfig(
    "films", "S3", "bucket", "studio", region="eu-1", account="reader", secret_key="word"
)


def test_a_storage_is_kept_as_it_was_given_until_it_is_removed(store: Store) -> None:
    other = replace(FILMS, name="assets", private=True)
    store.add_storage(FILMS)
    store.add_storage(other)

    assert store.storages() == [other, FILMS]
    assert store.storage("films") == FILMS
    assert (store.has_storage("films"), store.has_storage("film")) == (True, False)
    store.remove_storage("films")
    assert store.storages() == [other]
    for act in (store.storage, store.remove_storage):
        with pytest.raises(ParameterError) as error:
            act("films")
        assert error.value.code == "storage_unknown"


def test_a_name_is_given_once_and_replaced_only_when_that_is_meant(store: Store) -> None:
    changed = replace(FILMS, bucket="another")
    store.add_storage(FILMS)
    store.add_storage(FILMS)  # the same call, whose answer was lost

    with pytest.raises(ParameterError) as error:
        store.add_storage(changed)
    assert error.value.code == "storage_exists"
    store.replace_storage(changed)
    assert store.storages() == [changed]
    with pytest.raises(ParameterError) as unknown:
        store.replace_storage(replace(changed, name="none"))
    assert unknown.value.code == "storage_unknown"


def test_what_cannot_be_is_not_stored(store: Store) -> None:
    with pytest.raises(ParameterError) as error:
        store.add_storage(replace(FILMS, kind="ftp"))
    assert error.value.code == "storage_invalid"
    assert store.storages() == []
