"""What Alembic runs: the revisions in `versions`, on the connection it was given."""

from __future__ import annotations

from alembic import context

# The transaction is the caller's: all of it happens, or nothing.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
