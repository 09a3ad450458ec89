"""One server for each database, and clients of their own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx2
import pytest

from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.engine.setting import KNOWN
from adaptation.settings import Settings
from api_kit import Api, ContractDeployment, enrolled

_numbers = itertools.count(1)


ON_BOTH = {"test_submit", "test_list", "test_job"}
"""Where the two databases could differ in what a client sees; the store itself is held to its rules
on both by tests/conformance."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the rows that say much of the database on each of them."""
    if "served" in metafunc.fixturenames:
        is_both = metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        databases = ["sqlite", "postgresql"] if is_both else ["sqlite"]
        metafunc.parametrize("served", databases, indirect=True, scope="module")


@pytest.fixture(scope="module")
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ContractDeployment, str, httpx2.Client]]:
    """A server whose jobs nobody runs until a test does, on each database in turn."""
    url = ""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        template = request.getfixturevalue("postgres_template")
        url = server.make_database(template.rpartition("/")[2])
    deployment = ContractDeployment(
        Settings(home=tmp_path_factory.mktemp("api"), database_url=url, port=0)
    )
    deployment.store.migrate()
    with (
        serving(deployment, "127.0.0.1", 0, mount=mount) as address,
        httpx2.Client(trust_env=False) as web,
    ):
        yield deployment, address, web
    deployment.store.close()
    if url:
        server.drop_database(url)


@pytest.fixture
def api(served: tuple[ContractDeployment, str, httpx2.Client]) -> Iterator[Api]:
    """The server with clients that nobody has seen before, set as it comes."""
    deployment, address, web = served
    yield enrolled(deployment, address, web, str(next(_numbers)))
    for name in KNOWN:
        deployment.store.unset_setting(name)
