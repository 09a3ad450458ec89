"""Texts are sealed so that only who has the key can read them, and only where they belong."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptation.adapters.keyring import Keyring, new_key_text
from adaptation.adapters.sealing import Sealing
from adaptation.adapters.vault import SecretKey, Vault, seals_in
from adaptation.errors import SettingsError

SECRET = "hunter2-hunter2"
SIGNED = f"https://cdn.example.org/film.mp4?X-Amz-Signature={SECRET}&part=1"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "secret.key", makes=True)


@pytest.fixture
def vault(keyring: Keyring) -> Vault:
    return Vault(keyring)


@pytest.fixture
def sealing(vault: Vault) -> Sealing:
    return Sealing(vault)


def test_what_is_sealed_opens_again_and_shows_nothing(vault: Vault) -> None:
    sealed = vault.sealed(SECRET, "password")

    assert sealed.startswith("sealed:v1:")
    assert SECRET not in sealed
    assert vault.opened(sealed, "password") == SECRET
    assert vault.opened("never sealed", "password") == "never sealed"


def test_a_sealed_text_opens_in_no_other_field(vault: Vault) -> None:
    sealed = vault.sealed(SECRET, "password")

    with pytest.raises(SettingsError, match="as url with the key") as caught:
        vault.opened(sealed, "url")

    assert caught.value.code == "secret_unreadable"


def test_a_changed_text_does_not_open(vault: Vault) -> None:
    sealed = vault.sealed(SECRET, "password")
    changed = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]

    with pytest.raises(SettingsError) as caught:
        vault.opened(changed, "password")

    assert caught.value.code == "secret_unreadable"


def test_a_missing_key_is_named(vault: Vault, keyring: Keyring) -> None:
    sealed = vault.sealed(SECRET)
    ((named, _),) = seals_in(sealed)
    keyring.file.write_text(new_key_text())

    with pytest.raises(SettingsError, match=named) as caught:
        vault.opened(sealed)

    assert caught.value.code == "secret_key_missing"


def test_the_newest_key_seals_and_all_open_without_a_new_start(
    vault: Vault, keyring: Keyring
) -> None:
    before = vault.sealed(SECRET)
    fresh = Keyring(keyring.file).add()  # as another process does it

    after = vault.sealed(SECRET)

    assert seals_in(after)[0][0] == fresh.id
    assert vault.opened(before) == vault.opened(after) == SECRET
    assert set(vault.forms(SECRET)) == {before, after, SECRET}


def test_a_key_is_not_shown_by_what_holds_it(keyring: Keyring) -> None:
    text = keyring.file.read_text() if keyring.all() else ""
    seen = f"{keyring!r} {keyring.all()!r} {Vault(Keyring(keyring.file, text.strip()))!r}"

    assert text.strip() not in seen
    assert repr(keyring.all()[0].material) not in seen


def test_the_first_key_is_made_for_its_owner_alone_and_nothing_else_is_left(
    keyring: Keyring,
) -> None:
    keyring.all()

    assert keyring.file.stat().st_mode & 0o777 == 0o600
    assert len(SecretKey(_material(keyring.file)).material) == 32
    left = {path.name for path in keyring.file.parent.iterdir()}
    assert left == {"secret.key", "secret.key.lock"}


def _material(file: Path) -> bytes:
    return base64.b64decode(file.read_text())


def test_a_new_key_leaves_the_file_to_its_owner(keyring: Keyring) -> None:
    keyring.all()
    keyring.file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(keyring.file, 1234, 5678)
    before = keyring.file.stat()

    keyring.add()

    after = keyring.file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from adaptation.adapters.keyring import Keyring
print(Keyring(Path({str(tmp_path / "secret.key")!r}), makes=True).all()[0].id)"""

    starts = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    found = {start.communicate()[0] for start in starts}

    assert len(found) == 1
    assert found != {""}


@pytest.mark.parametrize("text", ["short", "c2hvcnQ=", "", "\u00fc" * 44])
def test_a_bad_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)

    with pytest.raises(SettingsError) as caught:
        Keyring(tmp_path / "key").all()

    assert caught.value.code == "secret_key_invalid"
    assert not text or text not in caught.value.message


def test_where_no_key_may_be_made_the_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=str(tmp_path / "key")) as caught:
        Keyring(tmp_path / "key", missing_hint="Set ADAPTATION_SECRET_KEY_FILE.").all()

    assert caught.value.code == "secret_key_unset"
    assert "ADAPTATION_SECRET_KEY_FILE" in caught.value.hint


def test_keys_of_the_environment_are_not_changed_for_others(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "key", f"{new_key_text()} {new_key_text()}")

    assert len(keyring.all()) == 2
    with pytest.raises(SettingsError) as caught:
        keyring.add()

    assert caught.value.code == "secret_key_fixed"
    assert "keys rotate --resume" in caught.value.hint


@pytest.mark.parametrize(
    "document",
    [
        {"url": SIGNED},
        {"url": f"https://user:{SECRET}@example.org/film.mp4"},
        {"rest_endpoints": ["https://example.org/a", f"https://example.org/?token={SECRET}"]},
        {"headers": {"X-Studio": SECRET}, "verify_tls": True},
        {"custom_data": {"api_key": SECRET, "n": 1}},
        {"custom_data": {"password": {"old": SECRET, "age": 3}}},
        {"content_key": SECRET},
        {"deep": [[{"client_secret": [SECRET, 7]}]]},
        {"note": f"Authorization: Bearer {SECRET}"},
        [f"https://user:{SECRET}@example.org/"],
        f"https://user:{SECRET}@example.org/",
    ],
)
def test_the_secrets_of_a_document_are_sealed_and_nothing_else(
    sealing: Sealing, document: Any
) -> None:
    stored = sealing.to_text(document)

    assert SECRET not in stored
    assert "sealed:v1:" in stored
    assert sealing.from_text(stored) == sealing.from_text(stored.encode()) == document
    assert sealing.to_text(document) == stored


def test_a_document_without_secrets_is_stored_as_it_is(sealing: Sealing) -> None:
    document = {
        "url": "https://example.org/film.mp4",
        "renditions": [{"height": 360, "bitrate": 800_000}],
        "key": "jobs/1/2/3/x.mp4",
        "custom_data": {"ad_slot": "token of love", "author": "me", "api_key": None},
    }

    assert sealing.to_text(document) == json.dumps(document)


def test_a_text_that_looks_sealed_is_taken_as_a_text(sealing: Sealing) -> None:
    forged = {"url": sealing.vault.sealed(json.dumps(SECRET), "url"), "note": "sealed:v1:00:x"}

    assert sealing.from_text(sealing.to_text(forged)) == forged


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(SIGNED) | st.just("sealed:"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=4) | st.sampled_from(["password", "headers", "url", "token"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=JSON)
def test_whatever_is_stored_comes_back(sealing: Sealing, document: Any) -> None:
    stored = sealing.to_text(document)

    assert sealing.from_text(stored) == document
    assert SECRET not in stored
