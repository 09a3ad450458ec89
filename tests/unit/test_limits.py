"""Limits of clients: which there are, how they are written, and which one counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from adaptation.errors import ParameterError, SourceError
from adaptation.limits import LIMITS, checked, in_force, in_words
from adaptation.workflows import extension


@pytest.mark.parametrize(
    ("name", "words", "value"),
    [
        ("source_bytes", "20GB", 20_000_000_000),
        ("source_bytes", "1 MiB", 1_048_576),
        ("source_seconds", "90m", 5_400),
        ("source_seconds", "7200", 7_200),
        ("output_pixels", "1920x1080", 2_073_600),
        ("output_pixels", "2073600", 2_073_600),
        ("most_running", "0", 0),
        ("renditions", "64", 64),
        ("scratch_bytes", "unlimited", None),
        ("source_bytes", "None", None),
        ("allowed_networks", "10.20.0.0/16, fd00::/8", ["10.20.0.0/16", "fd00::/8"]),
        ("allowed_networks", "", []),
        ("allowed_hosts", "origin.lan", ["origin.lan"]),
    ],
)
def test_a_limit_is_read_from_words(name: str, words: str, value: object) -> None:
    assert in_words(name, words) == value
    assert checked({name: value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("source_bytes", "20"),
        ("source_bytes", "-1GB"),
        ("source_seconds", "long"),
        ("source_seconds", "0"),
        ("output_pixels", "0x5"),
        ("output_pixels", "wide"),
        ("renditions", "65"),
        ("renditions", "0"),
        ("most_running", "-1"),
        ("most_running", "1.5"),
        ("allowed_networks", "10.0.0.1/8"),
        ("allowed_networks", "lan"),
        ("allowed_hosts", "http://lan/"),
        ("allowed_hosts", "*.lan"),
        ("bytes", "1GB"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_would_be(name: str, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        in_words(name, words)
    assert caught.value.code == "client_invalid"
    assert caught.value.hint


@pytest.mark.parametrize(
    "limits",
    [
        [],
        {"source_bytes": "20GB"},
        {"source_bytes": True},
        {"source_bytes": 2**63},
        {"renditions": 1.0},
        {"allowed_networks": "10.0.0.0/8"},
        {"allowed_networks": [7]},
        {"allowed_hosts": ["a"] * 101},
        {"speed": 1},
    ],
)
def test_what_is_stored_of_a_client_is_checked(limits: object) -> None:
    with pytest.raises(ParameterError) as caught:
        checked(limits)
    assert caught.value.code == "client_invalid"


def test_a_clients_own_limit_comes_before_that_of_all() -> None:
    usual = {"source_bytes": 10, "renditions": 64, "scratch_bytes": None}

    assert in_force(usual, {}) == {"source_bytes": 10, "renditions": 64}
    assert in_force(usual, {"source_bytes": 99, "renditions": None}) == {"source_bytes": 99}
    assert in_force(usual, None) == {}, "nothing limits the operator's own work"


def test_every_limit_says_what_it_is_and_its_example_is_one() -> None:
    for name, limit in LIMITS.items():
        assert limit.meaning
        assert in_words(name, limit.example) is not None


def test_a_workflow_of_another_package_is_limited_by_the_same_names(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(9))
    registry = extension.Registry(tmp_path, tmp_path, {"source_bytes": 8})
    extension.add_workflow(
        registry,
        "copy",
        "A copy.",
        parameters=extension.CommonParameters,
        author=lambda given: extension.chain(extension.download_file.s(**given)),
        example={},
    )
    limit = registry.workflow("copy").limit

    limit({"url": str(film)}, {"source_bytes": 9})
    limit({"url": str(film)}, None)
    with pytest.raises(SourceError) as caught:
        limit({"url": str(film)}, {})
    assert caught.value.code == "source_too_large"
