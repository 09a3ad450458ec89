"""Signing secrets are sealed, and so longer than they were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Give the columns room; what is in them is sealed by `adaptation keys rotate`."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite minds no lengths
        for name in ("signing_secret", "signing_secret_before"):
            op.alter_column("client", name, type_=sa.Text(), existing_type=sa.String(120))
