"""Clients have limits of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Bring the tables of the version before to this one, with the clients in them."""
    op.add_column("client", sa.Column("limits", sa.JSON(none_as_null=True)))
