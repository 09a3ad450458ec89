"""The least that can accept a job: FastAPI and one durable insert; takes a file and a port."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI

LOCAL = threading.local()
app = FastAPI()


@app.post("/job")
def submit(job: dict[str, Any]) -> dict[str, Any]:
    """Insert one row, as durable as ours."""
    connection = _connection()
    with connection:
        cursor = connection.execute("INSERT INTO job (body) VALUES (?)", [json.dumps(job)])
    return {"id": cursor.lastrowid, "result": "accepted"}


def _connection() -> sqlite3.Connection:
    """One for each thread, set as the engine sets its own."""
    if not hasattr(LOCAL, "connection"):
        LOCAL.connection = sqlite3.connect(sys.argv[1], timeout=30)
        LOCAL.connection.execute("PRAGMA journal_mode=WAL")
        LOCAL.connection.execute("PRAGMA synchronous=FULL")
    connection: sqlite3.Connection = LOCAL.connection
    return connection


if __name__ == "__main__":
    _connection().execute("CREATE TABLE job (id INTEGER PRIMARY KEY, body TEXT)")
    uvicorn.run(app, port=int(sys.argv[2]), log_config=None, access_log=False)
