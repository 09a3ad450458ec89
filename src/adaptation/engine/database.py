"""Connections to the truth: one transaction at a time, the database's own clock."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Dialect,
    Engine,
    ExceptionContext,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, NoResultFound, OperationalError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from adaptation.adapters.sealing import Sealing
from adaptation.adapters.vault import NoKeys, Vault
from adaptation.engine.migrations import HEAD, HISTORY, STORED_VERSION, migrate, version_of
from adaptation.engine.sealed import seal_with
from adaptation.errors import AdaptationError, SettingsError

BUSY_TIMEOUT_SECONDS = 30
"""How long a SQLite writer waits for another process's transaction."""
POSTGRESQL = {"postgres", "postgresql", "postgresql+psycopg"}
"""Ways to write that a URL is PostgreSQL's; psycopg 3 is the one driver."""
SEVERED_MS = 15_000
"""How long a server or network that says nothing is waited for."""
REACH = {
    "connect_timeout": 5,
    "application_name": "adaptation",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": SEVERED_MS,
}
"""How a connection notices that the other end is gone, where the URL does not say otherwise."""


class now(FunctionElement[int]):  # noqa: N801 - reads as the SQL function it stands for
    """The database's clock: milliseconds since 1970-01-01 UTC."""

    type = BigInteger()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ARG001
    return "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ARG001
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


def is_there(url: str) -> bool:
    """Whether a database has the tables of this version; it is not made by the question.

    One that cannot be reached has none.
    """
    try:
        parts = make_url(url)
        if parts.get_backend_name() == "sqlite" and not Path(parts.database or "").is_file():
            return False
        database = Database(url)
    except (OSError, ImportError, SQLAlchemyError):
        return False
    try:
        return database.version() == HEAD
    except (SettingsError, SQLAlchemyError):
        return False
    finally:
        database.close()


class Database:
    """A pool of connections to one database, with explicit read and write transactions."""

    def __init__(self, url: str, vault: Vault | None = None) -> None:
        """Open no connection yet.

        Args:
            url: an SQLAlchemy URL.
            vault: seals the secrets in what is stored; None: nothing is sealed.
        """
        self.url = _with_driver(make_url(url))
        self.sealing = Sealing(vault or Vault(NoKeys()), seals=vault is not None)
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = _make_engine(self.url, self.sealing)
        # Many rows are one statement of the server's, not one each.
        self._engine.dialect.use_insertmanyvalues_wo_returning = not self.is_sqlite
        seal_with(self._engine, self.sealing)
        event.listen(self._engine, "handle_error", _pass_on)
        # SQLite has one writer at a time, and whoever finds it busy sleeps and looks again:
        # threads of one process had better stand in line.
        self._turn = threading.Lock() if self.is_sqlite else nullcontext()
        # One statement is its own transaction: BEGIN and COMMIT would cost two more ways.
        lone = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reader = self._engine.execution_options(**lone)
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            event.listen(self._engine, "connect", _prepare_postgresql)

    @property
    def is_sqlite(self) -> bool:
        """Whether the truth is a file on this machine."""
        return self.url.get_backend_name() == "sqlite"

    def create(self) -> None:
        """Make sure that the tables are those this code works with.

        A SQLite file is brought up to date at once: nobody else would do it. A PostgreSQL is
        left as it is, for other machines may still run what works with the older tables.

        Raises:
            SettingsError: the database cannot be opened, or `database_outdated`,
                `database_newer`.
        """
        found = self.version()
        if found == HEAD:
            return
        if self.is_sqlite:
            self.migrate()
            return
        _refuse_newer(found)
        state = "is empty" if found is None else f"has version {found} of the tables, not {HEAD}"
        raise SettingsError(
            f"the database {self._place} {state}",
            code="database_outdated",
            hint="Bring it up to date: adaptation migrate",
        )

    def migrate(self) -> str | None:
        """Bring the tables to the newest version, one process at a time; all of it or nothing.

        Returns:
            The version they had; None: there were none.

        Raises:
            SettingsError: the database cannot be opened, or `database_newer`.
        """
        with self._opening(), self.write() as connection:
            self.lock(connection, "migrate")
            found = version_of(connection)
            _refuse_newer(found)
            if found != HEAD:
                migrate(connection, found)
        return found

    def version(self) -> str | None:
        """The version of the tables; None: there are none.

        Raises:
            SettingsError: `database_unavailable`.
        """
        try:
            with self.read() as connection:
                return str(connection.execute(STORED_VERSION).scalar_one())
        except (DBAPIError, NoResultFound):
            # No such table, most likely: what there is instead takes a closer look.
            with self._opening(), self.read() as connection:
                return version_of(connection)

    @property
    def _place(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def _opening(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            hint = "Set ADAPTATION_HOME to a folder on a local disk that you can write to."
            if not self.is_sqlite:
                hint = "Start it, or set ADAPTATION_DATABASE_URL to one that you may write to."
            raise SettingsError(
                f"the database {self._place} cannot be opened: {error.__cause__ or error}",
                code="database_unavailable",
                hint=hint,
            ) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that changes rows: committed whole at the end, or not at all."""
        with self._turn, self._engine.connect() as connection:
            connection.info["writes"] = True
            with connection.begin():
                yield connection

    @contextmanager
    def single(self) -> Iterator[Connection]:
        """One statement that changes rows and is a transaction by itself; PostgreSQL's alone.

        Others would need a `BEGIN` and a `COMMIT` around it: two more ways to the server.
        """
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def read(self, *, one: bool = False) -> Iterator[Connection]:
        """Only reads; it never waits for a writer.

        On SQLite all reads of the block see one moment, on PostgreSQL each sees its own.

        Args:
            one: whether a single statement is all there is: one moment without being told so.
        """
        with self._reader.connect() as connection:
            connection.info["writes"] = None if one else False
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def lock(self, connection: Connection, name: str) -> None:
        """Let only one transaction at a time go on from here, until it ends.

        A transaction that writes to SQLite is alone anyway.
        """
        if not self.is_sqlite:
            number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
            connection.execute(select(func.pg_advisory_xact_lock(number)))

    def may_pass(self, error: DBAPIError) -> bool:
        """Whether the same transaction may succeed when it is tried again at once or soon.

        A lost connection, a server that starts or stops, a deadlock, too many clients. SQLite's
        own wait for other writers is long enough.
        """
        if self.is_sqlite:
            return False
        return error.connection_invalidated or isinstance(error, OperationalError)

    @property
    def dialect(self) -> Dialect:
        """How this database speaks SQL."""
        return self._engine.dialect


@dataclass(frozen=True, eq=False)
class _Own:
    """A function of one engine alone: psycopg takes methods of two objects for the same one."""

    function: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        return self.function(value)


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in HISTORY:
        raise SettingsError(
            f"the database has version {found} of the tables, and this program knows {HEAD}",
            code="database_newer",
            hint="Run the newer version of adaptation that made it, here too.",
        )


def _with_driver(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername in POSTGRESQL else url


def _make_engine(url: URL, sealing: Sealing) -> Engine:
    """A pool of connections.

    Raises:
        SettingsError: `database_unavailable`, there is no driver for this URL.
    """
    reach = REACH if url.drivername in POSTGRESQL else {}
    arguments = {name: value for name, value in reach.items() if name not in url.query}
    try:
        return create_engine(
            url,
            pool_size=16,
            max_overflow=32,
            connect_args=arguments,
            json_serializer=_Own(sealing.to_text),
            json_deserializer=_Own(sealing.from_text),
        )
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"there is no driver for {url.drivername}: {error}",
            code="database_unavailable",
            hint="For PostgreSQL: pip install 'adaptation[postgresql]'.",
        ) from error


def _pass_on(context: ExceptionContext) -> None:
    # What a value is refused for, such as a missing key, is no fault of the statement.
    if isinstance(context.original_exception, AdaptationError):
        raise context.original_exception


def _prepare_postgresql(connection: Any, record: object) -> None:  # noqa: ARG001
    # A process that stands still in a transaction would hold its locks against all others.
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = {SEVERED_MS}")
    connection.autocommit = False


def _prepare_sqlite(connection: Any, record: object) -> None:  # noqa: ARG001
    # Transactions are ours to begin: the driver's implicit ones start too late to lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: an accepted job survives a power cut, not only a crash of the process.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock first: a read that turns into a write could find it taken.
    writes = connection.info.get("writes", True)
    if writes is not None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
