"""The versions of the tables, and the way from one to the next.

Alembic is imported only where there is something to migrate: every command asks for the version.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from adaptation.engine.schema import metadata

FOLDER = Path(__file__).parent
HISTORY = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
"""The versions from the first to the one that this code works with."""
HEAD = HISTORY[-1]
UNVERSIONED = HISTORY[0]
"""What a database is that has tables but no version: made before versions were kept."""
VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Where Alembic keeps the version."""
STORED_VERSION = select(VERSION.c.version_num)


def version_of(connection: Connection) -> str | None:
    """The version of the tables that are there; None: there are none."""
    tables = inspect(connection)
    if tables.has_table(VERSION.name):
        stored = connection.execute(STORED_VERSION).scalar()
        return None if stored is None else str(stored)
    return UNVERSIONED if tables.has_table("job") else None


def migrate(connection: Connection, found: str | None) -> None:
    """Bring the tables from version `found` to the newest, within the caller's transaction."""
    if found is None:
        metadata.create_all(connection)
        VERSION.create(connection, checkfirst=True)
        connection.execute(VERSION.insert().values(version_num=HEAD))
        return
    upgrade(connection, HEAD)


def upgrade(connection: Connection, version: str) -> None:
    """Take every step that leads from the version of the tables to a later one."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    tables = inspect(connection)
    if tables.has_table("job") and not tables.has_table(VERSION.name):
        command.stamp(config, UNVERSIONED)
    command.upgrade(config, version)
