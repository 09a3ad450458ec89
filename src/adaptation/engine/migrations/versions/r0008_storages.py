"""Storages are configured by name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Bring the tables of the version before to this one."""
    op.create_table(
        "storage",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
