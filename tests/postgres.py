"""A PostgreSQL of the tests' own: on the loopback, in a temporary folder, ended by process id."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from services import free_port, wait_until

USER = "adaptation"
START_SECONDS = 30.0
LOCAL = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath)}
SHAPE = """SELECT md5(string_agg(format('%s.%s:%s', attrelid::regclass, attname, atttypid), ','
  ORDER BY attrelid::regclass::text, attnum)) FROM pg_attribute
  WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"""
"""What tables and indices a database has, in a word."""
MANY_BYTES = """SELECT sum(pg_relation_size(oid)) > 2000000 FROM pg_class
  WHERE relnamespace = 'public'::regnamespace"""
EMPTIED = """DO $$ DECLARE one text; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT tablename FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
  LOOP EXECUTE format('DELETE FROM %I', one); END LOOP;
  FOR one IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'
  LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', one); END LOOP;
END $$"""
HASTY = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")
"""Nothing of a test's database outlives a power cut, so nothing waits for the disk."""


@dataclass
class Postgres:
    """One server, which a test may stop and start again under the same address."""

    folder: Path
    port: int
    durable: bool
    """Whether commits wait for the disk, as in production."""
    process: subprocess.Popen[bytes] | None = None
    _names: Iterator[int] = field(default_factory=lambda: count(1))
    _spare: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL of its first database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "200",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        flags += [] if self.durable else HASTY
        user, group = _owner()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [_command("postgres"), "-D", self.folder / "data", *flags],
                stdout=log,
                stderr=log,
                env=LOCAL,
                cwd=self.folder,
                user=user,
                group=group,
            )
        if not wait_until(lambda: self._ended() or self._answers(), START_SECONDS):
            pytest.fail(f"postgres does not answer: {self._last_words()}")
        if self._ended():
            pytest.fail(f"postgres ended: {self._last_words()}")

    def stop(self, signal_number: int = signal.SIGINT) -> None:
        """End it. SIGINT cuts its clients off, SIGQUIT is a crash without a farewell."""
        if self.process is not None:
            self.process.send_signal(signal_number)
            self.process.wait(START_SECONDS)
            self.process = None

    def make_database(self, template: str = "template0") -> str:
        """A new database, and its URL."""
        name = f"test{next(self._names)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.run(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url_of(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = sql.Identifier(url.rpartition("/")[2])
        self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def lend_database(self, template: str) -> str:
        """The URL of a database like an empty `template`; give it back."""
        return self._spare.pop() if self._spare else self.make_database(template)

    def take_back(self, url: str, template: str) -> None:
        """Empty a lent database for the next one, which costs a tenth of making another.

        One that has other tables by now, or much room for rows that are gone, is removed.
        """
        name = url.rpartition("/")[2]
        with psycopg.connect(url, autocommit=True) as own, psycopg.connect(template) as model:
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND pid <> pg_backend_pid()",
                (name,),
            )
            is_like = _asked(own, SHAPE) == _asked(model, SHAPE) and not _asked(own, MANY_BYTES)
            if is_like:
                own.execute(EMPTIED)
        if is_like:
            self._spare.append(url)
        else:
            self.drop_database(url)

    def cut_off(self) -> None:
        """End the connections of all clients; the server runs on."""
        self.run(
            sql.SQL(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )

    def run(self, statement: sql.SQL | sql.Composed) -> None:
        """Run a statement outside a transaction."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _last_words(self) -> str:
        return (self.folder / "log").read_text()[-500:]


def _asked(connection: psycopg.Connection[Any], question: LiteralString) -> object:
    """The one value that a query gives."""
    row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Run a PostgreSQL of our own.

    Its folder is not one of pytest's: root runs it as another user, who may not look into those.
    """
    initdb = _command("initdb")
    with tempfile.TemporaryDirectory(prefix="adaptation-postgres-") as name:
        folder = Path(name)
        user, group = _owner()
        if user is not None and group is not None:
            os.chown(folder, user, group)
        flags = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-sync"]
        command = [initdb, "-D", str(folder / "data"), *flags]
        made = subprocess.run(
            command,
            check=False,
            capture_output=True,
            env=LOCAL,
            cwd=folder,
            user=user,
            group=group,
        )
        if made.returncode:
            pytest.fail(f"initdb: {made.stderr.decode()[-500:]}")
        server = Postgres(folder, free_port(), durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _command(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps out of PATH; the newest, or a skip."""
    if found := shutil.which(name):
        return found
    places = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    known = [(_version(path), str(path)) for path in places]
    if not known:
        pytest.skip(f"{name} is not installed: apt-get install postgresql, or make test as root")
    return max(known)[1]


def _version(path: Path) -> int:
    return int(re.sub(r"\D", "", path.parent.parent.name) or 0)


def _owner() -> tuple[int | None, int | None]:
    """User and group that PostgreSQL runs as: it refuses root. None: those of the tests."""
    if os.geteuid() != 0:
        return None, None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    owner = known.get("postgres", known["nobody"])
    return owner.pw_uid, owner.pw_gid
