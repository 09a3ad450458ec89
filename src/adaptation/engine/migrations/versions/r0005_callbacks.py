"""Jobs know the trace they belong to, and end points that do not answer are found at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

FAILING = "state = 'pending' AND tried_at IS NOT NULL"


def upgrade() -> None:
    """Bring the tables of 0004 to this version, with the jobs and callbacks in them."""
    op.add_column("job", sa.Column("trace", sa.String(55)))
    op.create_index(
        "delivery_failing",
        "delivery",
        ["client", "url", "id"],
        sqlite_where=sa.text(FAILING),
        postgresql_where=sa.text(FAILING),
    )
