"""Storage services on this machine: what speaks S3, with a bucket of its own for each test."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.storage_config import StorageConfig
from services import HERE, wait_until

_numbers = itertools.count(1)
SERVER = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"
STARTING_SECONDS = 30.0


@dataclass(frozen=True)
class S3:
    """A running service."""

    url: str

    def config(self, name: str = "films", prefix: str = "") -> StorageConfig:
        """A new bucket in it."""
        bucket = f"bucket{next(_numbers)}"
        httpx2.put(f"{self.url}/{bucket}", trust_env=False).raise_for_status()
        return StorageConfig(
            name, "S3", bucket, prefix, self.url, account="reader", secret_key="s3cr3t-of-reader"
        )

    def store(self, prefix: str = "") -> ObjectStore:
        """A new bucket, opened."""
        return ObjectStore(self.config(prefix=prefix), HERE)


@contextmanager
def running_s3(log: Path) -> Iterator[S3]:
    """Run a service for the length of a block; `log` is where it writes what it is asked."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed: make develop")
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER],
            stdout=said,
            stderr=said,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        assert wait_until(lambda: bool(_port(log)) or process.poll() is not None, STARTING_SECONDS)
        assert process.poll() is None, "it ended at once"
        yield S3(f"http://127.0.0.1:{_port(log)}")
    finally:
        process.kill()
        process.wait()


def _port(log: Path) -> str:
    """Of the line `* Running on http://127.0.0.1:41231`; empty: it is not there yet."""
    _, sign, rest = log.read_text().partition("Running on http://127.0.0.1:")
    return "".join(itertools.takewhile(str.isdigit, rest)) if sign and "\n" in rest else ""
