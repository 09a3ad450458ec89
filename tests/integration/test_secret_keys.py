"""Keys that seal are made, changed and dropped by command, while everything runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adaptation.adapters.keyring import Keyring, new_key_text
from adaptation.adapters.vault import Vault
from adaptation.engine.engine import Pace
from adaptation.engine.store import Store
from adaptation.engine.tasks import WorkflowDefinition
from api_kit import Caller
from command_line import here, started
from engine_kit import count_one, small_engine, small_registry
from services import wait_until

SECRET = "hunter2-hunter2"
SOURCE = f"https://user:{SECRET}@example.org/film.mp4"
MASKED = "https://***@example.org/film.mp4"


@pytest.fixture
def own_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a machine that has set no key."""
    monkeypatch.delenv("ADAPTATION_SECRET_KEY")
    return home / "secret.key"


def added(name: str = "studio") -> str:
    return str(json.loads(here("client", "add", name, "--role", "admin", "--json").out)["key"])


def listed() -> dict[str, int]:
    found = json.loads(here("keys", "ls", "--json").out)
    return {one["id"]: one["sealed"] for one in found}


def test_a_rotation_needs_no_pause(own_key: Path, home: Path) -> None:
    key = added()
    (before,) = listed()
    with started("serve", "--port", "0") as process:
        assert process.stderr is not None
        address = next(filter(None, (_address(line) for line in process.stderr)))
        studio = Caller(address, "studio", key)
        job = studio.submit("encoding_workflow", {"url": SOURCE}, run_at="2099-01-01T00:00:00Z")

        assert here("keys", "rotate").status == 0
        first = studio.get(f"/jobs/{job}")["parameters"]["url"]
        (now, _), (older, left) = listed().items()
        assert here("keys", "drop").status == 0
        later = studio.submit("encoding_workflow", {"url": SOURCE}, run_at="2099-01-01T00:00:00Z")
        second = [studio.get(f"/jobs/{one}")["parameters"]["url"] for one in (job, later)]
        process.terminate()

    assert (first, second) == (MASKED, [MASKED] * 2)
    assert (older, left) == (before, 0)
    assert set(listed()) == {now} != {before}
    assert own_key.stat().st_mode & 0o777 == 0o600
    assert not [path for path in home.glob("*.db*") if SECRET.encode() in path.read_bytes()]


def _address(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    return found[0] if found else ""


def test_keys_are_not_dropped_while_one_is_missing(own_key: Path) -> None:
    added()
    (lost,) = listed()
    own_key.write_text(new_key_text())

    told = here("keys", "drop")

    assert told.code == "secret_key_missing"
    assert lost in told.err
    assert "missing" in here("keys", "ls").out


def test_a_job_waits_for_a_key_that_is_missing_and_then_goes_on(
    tmp_path: Path,
) -> None:
    keyring = Keyring(tmp_path / "secret.key", makes=True)
    store = Store(f"sqlite:///{tmp_path / 'engine.db'}", Vault(keyring))
    known = small_registry()
    known.add_workflow(WorkflowDefinition("one", dict, lambda given: count_one.s(**given)))
    engine = small_engine(tmp_path, known, Pace(sweep_seconds=0.2), store)
    job = engine.submit("one", {"password": SECRET})
    kept = keyring.file.read_text()
    keyring.file.write_text(new_key_text())

    with capture_logs() as told, engine.running(1):
        assert wait_until(lambda: "there is no key" in str(told))
        keyring.file.write_text(kept)
        assert wait_until(lambda: store.job(job.id).ended, 20)

    assert store.job(job.id).succeeded
    store.close()


def test_a_fleet_without_a_key_stores_no_secret(
    own_key: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPTATION_DATABASE_URL", postgres_url)

    told = here("client", "add", "studio")

    assert told.code == "secret_key_unset"
    assert "ADAPTATION_SECRET_KEY_FILE" in told.hint
    assert not own_key.exists()
    assert here("client", "ls", "--json").documents == [[]]


def test_a_key_of_the_environment_is_changed_where_it_is_set(
    own_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = new_key_text(), here("keys", "new").out.strip()
    monkeypatch.setenv("ADAPTATION_SECRET_KEY", old)
    added()
    refused = here("keys", "rotate")
    monkeypatch.setenv("ADAPTATION_SECRET_KEY", f"{new} {old}")

    assert refused.code == "secret_key_fixed"
    assert here("keys", "rotate", "--resume").status == 0
    assert list(listed().values()) == [1, 0]
    monkeypatch.setenv("ADAPTATION_SECRET_KEY", new)
    assert here("client", "show", "studio", "--secret").status == 0
    assert not own_key.exists()


def test_the_doctor_tells_of_the_keys_and_not_the_keys(own_key: Path) -> None:
    before = here("doctor").out
    made = own_key.exists()
    added()

    after = here("doctor").out

    assert not made
    assert f"{own_key} is made when it is needed" in before
    assert next(iter(listed())) in after
    assert own_key.read_text().strip() not in after
