"""The house rules every test lives under: its own home, nothing left behind, no silent skip."""

from __future__ import annotations

import base64
import itertools
import logging
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
import structlog

import arrivals
import brokers
import services
from adaptation.engine.store import Store
from brokers import Broker
from postgres import Postgres, running_postgres
from storage_services import S3, Azure, running_azure, running_s3

CI = os.environ.get("CI") == "true"
"""In CI everything must be proven: a skip is a failure."""
ROOT = Path(__file__).resolve().parent.parent
SECRET_KEY = base64.b64encode(b"what seals the secrets of tests.").decode()
LONG_SECONDS = 3600
"""How long a test marked `long` may take; `timeout` in pyproject.toml holds for all others."""
LEAVING_SECONDS = 5.0
"""How long a process that a test ended may take to be gone."""
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
_numbers = itertools.count(1)
_started: list[str] = []
"""An entry for each process that this one has started."""


def _note_starts(event: str, _: tuple[object, ...]) -> None:
    if event in {"subprocess.Popen", "os.fork", "os.posix_spawn"}:
        _started.append(event)


sys.addaudithook(_note_starts)


def pytest_configure() -> None:
    """Let commands be interrupted by Ctrl-C, note all manifests that appear, and log plainly.

    A shell's background jobs ignore Ctrl-C, and heirs too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    arrivals.watch(pytest.MonkeyPatch())
    # By default it draws frames with all variables around what was raised, for two seconds each.
    plain = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _judged((yield))


def _judged(report: Report) -> Report:
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"a skip is a failure in CI: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.section("not proven on this machine", yellow=True)
        for reason, count in skipped.most_common():
            terminalreporter.line(f"{count} x {reason}")


@pytest.fixture(scope="session", autouse=True)
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for what session fixtures do; nobody's real home is ever touched."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("ADAPTATION_", "XDG_")):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("ADAPTATION_HOME", str(home / "adaptation"))
        # Tests that share a PostgreSQL are fleets: they must have one key.
        patch.setenv("ADAPTATION_SECRET_KEY", SECRET_KEY)
        # Servers and receivers of tests listen on this machine.
        patch.setenv("ADAPTATION_ALLOWED_NETWORKS", "127.0.0.0/8,::1/128")
        yield home


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A service that speaks S3."""
    with running_s3(tmp_path_factory.mktemp("s3") / "log") as found:
        yield found


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    """A service that speaks Azure Blob."""
    with running_azure(ROOT, tmp_path_factory.mktemp("azure") / "log") as found:
        yield found


@pytest.fixture
def home(own_home: Path) -> Path:
    """The engine's home during one test: `ADAPTATION_HOME`, not made yet."""
    return own_home


@pytest.fixture(autouse=True)
def own_home(
    session_home: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """After a test no process started under its home may live, and its scratch must be empty.

    A test marked `crash` may leave scratch: it kills who would have tidied up.
    """
    folder = session_home / f"test{next(_numbers)}"
    monkeypatch.setenv("ADAPTATION_HOME", str(folder))
    # Tests run beside each other, and services answer requests.
    monkeypatch.setenv("ADAPTATION_PORT", "0")
    before = len(_started)
    yield folder
    orphans = _end_processes_of(folder) if len(_started) > before else []
    scratch = [path.name for path in folder.glob("scratch/*")]
    shutil.rmtree(folder, ignore_errors=True)
    if orphans:
        pytest.fail(f"left running: {orphans}")
    if scratch and request.node.get_closest_marker("crash") is None:
        pytest.fail(f"left in scratch: {scratch}")


def _end_processes_of(folder: Path) -> list[str]:
    """Kill what was started under the home `folder` and will not leave; their command lines."""
    found = [process for process in psutil.process_iter() if _is_under(process, folder)]
    _, alive = psutil.wait_procs(found, timeout=LEAVING_SECONDS if found else 0)
    lines = [" ".join(process.cmdline()) for process in alive]
    for process in alive:
        process.kill()
    return lines


def _is_under(process: psutil.Process, folder: Path) -> bool:
    """Whether a process has the home `folder`, or is a tool of one that has."""
    try:
        # Python's own resource tracker lives as long as the process that tests.
        if "resource_tracker" in "".join(process.cmdline()):
            return False
        variables = process.environ()
    except (psutil.Error, OSError):
        return False
    # A tool knows only the scratch that it works in.
    scratch = variables.get("TMPDIR", "")
    return variables.get("ADAPTATION_HOME") == str(folder) or scratch.startswith(f"{folder}/")


@pytest.fixture(autouse=True)
def no_unexpected_error_is_logged(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> Iterator[None]:
    """A test during which an ERROR is logged fails, unless it is marked `logs_errors`."""
    yield
    # A command that was called here has sent the log to a stderr of its own, which is closed.
    root = logging.getLogger()
    root.handlers[:] = [one for one in root.handlers if type(one) is not logging.StreamHandler]
    if request.node.get_closest_marker("logs_errors") is None:
        records = caplog.get_records("call")
        errors = [record.getMessage() for record in records if record.levelno >= logging.ERROR]
        assert not errors, f"logged: {errors}"


@pytest.fixture(autouse=True)
def no_manifest_makes_a_parser_complain() -> Iterator[None]:
    """A test fails if a parser has something to say of a manifest that appeared meanwhile."""
    yield
    told = arrivals.complaints()
    assert not told, "\n".join(told)


@pytest.fixture(scope="session")
def real_clips() -> dict[str, Path]:
    """Real footage by name: `bigbuckbunny.mp4` (with 5.1 sound) and `bikes.mp4` (silent)."""
    return services.find_clips()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Redis of this session's own."""
    with brokers.running(brokers.Redis, tmp_path_factory.mktemp("redis")) as broker:
        yield broker


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A RabbitMQ of this session's own, whose consumer timeout is 2 s."""
    with brokers.running(brokers.RabbitMQ, tmp_path_factory.mktemp("rabbitmq")) as broker:
        yield broker


@pytest.fixture
def redis_url(redis_server: Broker) -> str:
    """The URL of an empty Redis."""
    redis_server.forget()
    return redis_server.url


@pytest.fixture(params=["rabbitmq", "redis"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """RabbitMQ and Redis in turn, with empty queues."""
    found: Broker = request.getfixturevalue(f"{request.param}_server")
    found.empty("celery", "light", "heavy")
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL of this session's own, which forgets all in a crash of the machine."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres) -> str:
    """The URL of a database with the tables, to make others after."""
    url = postgres_server.make_database()
    store = Store(url)
    store.migrate()
    store.close()
    return url


@pytest.fixture
def postgres_url(postgres_server: Postgres, postgres_template: str) -> Iterator[str]:
    """The URL of a database that is up to date and holds nothing."""
    url = postgres_server.lend_database(postgres_template.rpartition("/")[2])
    yield url
    postgres_server.take_back(url, postgres_template)


@pytest.fixture
def bare_postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """The URL of a database without tables."""
    url = postgres_server.make_database()
    yield url
    postgres_server.drop_database(url)
