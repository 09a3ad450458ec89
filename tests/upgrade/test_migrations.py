"""Every way to the newest tables ends at the same ones, and refuses what it does not know."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from adaptation.cli.app import main
from adaptation.engine.migrations import FOLDER, HEAD, HISTORY, VERSION, upgrade
from adaptation.engine.schema import metadata
from adaptation.engine.store import Store
from adaptation.errors import SettingsError


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database without tables."""
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    else:
        store = Store(request.getfixturevalue("bare_postgres_url"))
    yield store
    store.close()


def bring_to(store: Store, version: str) -> None:
    with store.database.write() as connection:
        upgrade(connection, version)


def differences(store: Store) -> list[object]:
    """What Alembic would change to make the tables those of the code."""
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def description(store: Store) -> list[tuple[object, ...]]:
    """What Alembic does not compare: conditions of indices, and PostgreSQL's defaults."""
    queries = ["SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name"]
    if not store.database.is_sqlite:
        queries = [
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
            "SELECT table_name, column_name, column_default FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1, 2",
        ]
    with store.database.read() as connection:
        return [tuple(row) for query in queries for row in connection.execute(text(query))]


def test_the_versions_the_code_names_are_those_there_are() -> None:
    steps = [step.revision for step in ScriptDirectory(str(FOLDER)).walk_revisions()]

    assert tuple(reversed(steps)) == HISTORY


def test_the_steps_lead_to_the_tables_the_code_works_with(store: Store) -> None:
    for version in HISTORY:
        bring_to(store, version)

    assert differences(store) == []
    assert store.database.version() == HEAD
    steps = description(store)
    with store.database.write() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert description(store) == steps


def test_an_empty_database_gets_the_newest_tables_at_once(store: Store) -> None:
    assert store.migrate() is None
    assert store.migrate() == HEAD

    store.create()
    assert differences(store) == []


def test_tables_from_before_there_were_versions_are_the_first(store: Store) -> None:
    bring_to(store, HISTORY[0])
    with store.database.write() as connection:
        VERSION.drop(connection)

    assert store.migrate() == HISTORY[0]

    assert store.database.version() == HEAD


def test_a_database_of_a_newer_program_is_refused(store: Store) -> None:
    store.migrate()
    with store.database.write() as connection:
        connection.execute(VERSION.update().values(version_num="9999"))

    for opening in (store.create, store.migrate):
        with pytest.raises(SettingsError, match="has version 9999") as caught:
            opening()
        assert caught.value.code == "database_newer"


def test_a_step_that_fails_leaves_everything_as_it_was(store: Store) -> None:
    bring_to(store, HISTORY[0])
    with store.database.write() as connection:
        connection.execute(text("CREATE TABLE schedule (name VARCHAR(60))"))

    with pytest.raises(SettingsError, match="schedule"):
        store.migrate()

    assert store.database.version() == HISTORY[0]
    with store.database.read() as connection:
        assert "held" not in {found["name"] for found in inspect(connection).get_columns("task")}


def test_processes_that_start_together_do_not_collide(store: Store) -> None:
    bring_to(store, HISTORY[0])
    url = store.database.url.render_as_string(hide_password=False)
    code = f"from adaptation.engine.store import Store; print(Store({url!r}).migrate())"

    starts = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    found = sorted(start.communicate()[0].strip() for start in starts)

    assert found == [HISTORY[0], HEAD, HEAD]


def test_a_postgresql_is_not_migrated_by_whoever_opens_it(bare_postgres_url: str) -> None:
    store = Store(bare_postgres_url)
    with pytest.raises(SettingsError, match="is empty") as caught:
        store.create()
    assert caught.value.code == "database_outdated"
    assert "adaptation migrate" in caught.value.hint

    bring_to(store, HISTORY[0])
    with pytest.raises(SettingsError, match=f"has version {HISTORY[0]}"):
        store.create()
    store.close()


def test_the_version_is_asked_for_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    code = f"""
import sys
from adaptation.engine.store import Store
for _ in range(2):
    Store({url!r}).create()
print("alembic" in sys.modules)"""

    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)

    assert told.stdout == b"False\n"


def test_the_command_tells_what_is_to_be_done_and_does_it(
    bare_postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADAPTATION_DATABASE_URL", bare_postgres_url)
    store = Store(bare_postgres_url)

    def told(*words: str) -> tuple[int, str]:
        status = main(["migrate", *words])
        return status, capsys.readouterr().out

    assert told("--check") == (1, f"empty: `adaptation migrate` makes the tables, version {HEAD}\n")
    assert told() == (0, f"made the tables, version {HEAD}\n")
    assert told("--check") == told() == (0, f"up to date: version {HEAD}\n")
    with store.database.write() as connection:
        metadata.drop_all(connection)
        VERSION.drop(connection)
    bring_to(store, HISTORY[0])
    status, line = told("--check")
    assert status == 1
    assert line.startswith("outdated: ")
    assert told() == (0, f"brought from version {HISTORY[0]} to {HEAD}\n")
    store.close()
