"""Storage services on this machine: S3 and Azure Blob, with a bucket of its own for each test."""

from __future__ import annotations

import base64
import hmac
import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import httpx2
import pytest

from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.storage_config import StorageConfig
from services import HERE, need_command, need_node_package, wait_until

_numbers = itertools.count(1)
SERVER = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"
STARTING_SECONDS = 90.0


@dataclass(frozen=True)
class S3:
    """A running service."""

    url: str

    def config(self, name: str = "films", prefix: str = "") -> StorageConfig:
        """A new bucket in it."""
        bucket = f"bucket{next(_numbers)}"
        httpx2.put(f"{self.url}/{bucket}", trust_env=False, timeout=60).raise_for_status()
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
            env={**_environment(), "PYTHONUNBUFFERED": "1"},
        )
    try:
        ready = "Running on http://127.0.0.1:"
        assert wait_until(
            lambda: bool(_port(log, ready)) or process.poll() is not None, STARTING_SECONDS
        )
        assert process.poll() is None, "it ended at once"
        yield S3(f"http://127.0.0.1:{_port(log, ready)}")
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Azure:
    """A running service, with the account that all its users have by default."""

    url: str
    account = "devstoreaccount1"
    secret_key = (
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    )

    def config(self, name: str = "films", prefix: str = "") -> StorageConfig:
        """A new container in it."""
        container = f"container{next(_numbers)}"
        self._make(container)
        return StorageConfig(
            *(name, "azure_blob", container, prefix, f"{self.url}/{self.account}"),
            account=self.account,
            secret_key=self.secret_key,
        )

    def store(self, prefix: str = "") -> ObjectStore:
        """A new container, opened."""
        return ObjectStore(self.config(prefix=prefix), HERE)

    def _make(self, container: str) -> None:
        """Signed as the service's reference says: Authorize with Shared Key."""
        path = f"/{self.account}/{container}"
        facts = {"x-ms-date": format_datetime(datetime.now(UTC), usegmt=True)}
        facts["x-ms-version"] = "2021-08-06"
        lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in facts.items())]
        text = "\n".join([*lines, f"/{self.account}{path}", "restype:container"])
        key = base64.b64decode(self.secret_key)
        sign = base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
        facts["Authorization"] = f"SharedKey {self.account}:{sign}"
        url = f"{self.url}{path}?restype=container"
        httpx2.put(url, headers=facts, trust_env=False, timeout=60).raise_for_status()


@contextmanager
def running_azure(root: Path, log: Path) -> Iterator[Azure]:
    """Run Azurite for the length of a block; `root` is where npm has installed it."""
    script = need_node_package(root, "azurite") / "dist" / "src" / "blob" / "main.js"
    node = need_command("node", package="nodejs")
    options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]
    options += ["--skipApiVersionCheck", "--disableTelemetry"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [node, str(script), *options], stdout=said, stderr=said, env=_environment()
        )
    try:
        ready = "successfully listens on http://127.0.0.1:"
        assert wait_until(
            lambda: bool(_port(log, ready)) or process.poll() is not None, STARTING_SECONDS
        )
        assert process.poll() is None, "it ended at once"
        yield Azure(f"http://127.0.0.1:{_port(log, ready)}")
    finally:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    """Without the home of the test that asked first: what belongs to that ends with the test."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ADAPTATION_")}


def _port(log: Path, ready: str) -> str:
    """What follows the words `ready`; empty: they are not there yet."""
    _, sign, rest = log.read_text().partition(ready)
    return "".join(itertools.takewhile(str.isdigit, rest)) if sign and "\n" in rest else ""
