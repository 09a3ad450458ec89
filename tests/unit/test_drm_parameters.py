"""The parameters of DRM: names, defaults and old spellings are what clients already send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adaptation.adapters.masking import redacted_fields
from adaptation.errors import ParameterError
from adaptation.workflows.drm_parameters import (
    DrmParameters,
    check_drm,
    confine_drm,
    drm_sources,
    old_spellings,
    shows_protected,
    wanted_systems,
)
from adaptation.workflows.parameters import checked

PAIR = f"{'a1' * 16}:{'0123456789abcdef' * 2}"
DOCUMENT = "https://keys.example.org/film.xml"
SERVER = "https://keys.example.org/speke"


def taken(**given: Any) -> dict[str, Any]:
    return check_drm(checked(DrmParameters, given, Path("/assets")))


def test_defaults_are_those_of_the_contract() -> None:
    known = taken()
    assert (known["drm"], known["enable_drm"], known["cpix"]) == (["clear"], True, False)
    assert (known["download_cpix"], known["encrypt_ismv"], known["playready_key"]) == (
        None,
        False,
        None,
    )
    assert not wanted_systems(known["drm"])
    assert old_spellings(known) == []


def test_clear_may_stand_beside_systems_and_old_words_are_understood() -> None:
    assert wanted_systems(["clear", "fairplay", "playready"]) == ["playready", "fairplay"]
    assert wanted_systems(["encrypted"]) == ["cenc", "widevine", "playready"]
    assert [shows_protected(taken(encrypted=word)) for word in (True, False)] == [True, False]
    assert not shows_protected(taken(enable_drm=False))
    said = old_spellings(taken(encrypted=True, drm=["encrypted"], playready_key=PAIR))
    assert ["encrypted" in line or "playready_key" in line for line in said] == [True] * 3


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"cpix": True}, "parameter_missing"),
        ({"drm": ["primetime"]}, "parameter_invalid"),
        ({"playready_key": "c2VlZCBvZiBrZXlz" * 3}, "parameter_invalid"),
        ({"playready_key": "a1" * 16}, "parameter_invalid"),
        ({"key_server": "ftp://keys.example.org"}, "parameter_invalid"),
        ({"key_server_secret": {"a header": "x"}}, "parameter_invalid"),
        ({"key_server_secret": {"X-Key": "two\r\nlines"}}, "parameter_invalid"),
        ({"hls_key_uri": 'https://a"'}, "parameter_invalid"),
        ({"content_keys": [{"key_id": "a1", "key": "x"}]}, "parameter_invalid"),
    ],
)
def test_what_cannot_be_is_refused_and_shows_no_key(given: dict[str, Any], code: str) -> None:
    with pytest.raises(ParameterError) as refused:
        taken(**given)
    assert refused.value.code == code
    assert "c2Vl" not in str(refused.value)


def test_only_what_a_job_asks_is_a_source() -> None:
    keys = {"drm": ["cenc"], "key_server": SERVER}
    assert drm_sources(taken(**keys)) == [SERVER]
    assert drm_sources(taken(**{**keys, "drm": []})) == []
    assert drm_sources(taken(**keys, playready_key=PAIR)) == []
    assert drm_sources(taken(**keys, cpix=True)) == [SERVER]
    assert drm_sources(taken(**keys, cpix=True, download_cpix=DOCUMENT)) == [DOCUMENT]
    assert drm_sources(taken(drm=["cenc"], cpix=True, download_cpix="/keys.xml")) == []


def test_a_client_reads_documents_of_its_own_alone(tmp_path: Path) -> None:
    (tmp_path / "keys.xml").touch()
    given = {"download_cpix": "keys.xml", "folder": "film"}
    confined = confine_drm(given, "studio", tmp_path)
    assert confined == {"download_cpix": str(tmp_path / "keys.xml"), "folder": "film"}
    with pytest.raises(ParameterError) as refused:
        confine_drm({"download_cpix": "/etc/passwd"}, "studio", tmp_path)
    assert refused.value.code == "path_outside"


def test_secrets_among_them_are_not_shown() -> None:
    known = taken(
        playready_key=PAIR,
        key_server_secret={"X-Speke": "hunter2"},
        content_keys=[{"key_id": "a1" * 16, "key": "b2" * 16}],
    )
    shown = redacted_fields(known)
    assert [shown[name] for name in ("playready_key", "key_server_secret", "content_keys")] == [
        "***"
    ] * 3
