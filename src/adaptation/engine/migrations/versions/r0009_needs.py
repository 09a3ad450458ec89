"""Tasks may need something that not every worker can do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Bring the tables of the version before to this one."""
    op.add_column("task", sa.Column("needs", sa.JSON(none_as_null=True)))
