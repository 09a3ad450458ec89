"""Workers are asked to rest or to leave, and tell their load; changes of settings are noted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adaptation.engine.schema import Id

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Bring the tables of the version before to this one."""
    op.add_column("worker", sa.Column("wish", sa.String(10)))
    op.add_column("worker", sa.Column("load", sa.JSON(none_as_null=True)))
    op.create_table(
        "setting_change",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("value", sa.JSON(none_as_null=True)),
        sa.Column("changed_by", sa.String(200), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("setting_change_name", "setting_change", ["name", "id"])
