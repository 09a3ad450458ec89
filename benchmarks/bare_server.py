"""The least that FastAPI and SQLite need to store a body: what POST /job is held against.

usage: python -m benchmarks.bare_server DATABASE PORT
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI


def make_app(database: str) -> FastAPI:
    """One route that inserts its body as one row, durably."""
    app = FastAPI()
    local = threading.local()

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(database, timeout=30, isolation_level=None)
            local.connection.execute("PRAGMA journal_mode=WAL")
            local.connection.execute("PRAGMA synchronous=FULL")
        return local.connection  # type: ignore[no-any-return]

    connection().execute("CREATE TABLE job (id INTEGER PRIMARY KEY, body TEXT)")

    @app.post("/job")
    def submit(body: dict[str, Any]) -> dict[str, int]:
        words = json.dumps(body)
        found = connection().execute("INSERT INTO job (body) VALUES (?) RETURNING id", (words,))
        return {"id": found.fetchone()[0]}

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[1]), port=int(sys.argv[2]), log_level="warning")
