"""The command itself: help at once, errors as sentences, statuses that scripts may rely on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adaptation import __version__
from adaptation.cli.app import COMMANDS, main
from command_line import adaptation

HEAVY = ("celery", "sqlalchemy", "pydantic", "starlette", "kombu", "rich.progress")
HELP_CPU_SECONDS = 0.5
MEASURED = """
import sys, time
from adaptation.cli import main
status = main(["--help"])
loaded = [name for name in {heavy} if name in sys.modules]
sys.stderr.write(f"{{status}} {{time.process_time()}} {{' '.join(loaded)}}")
"""
STORE_ALONE = (
    *("show", "logs", "watch", "pause", "priority", "queue", "settings", "callbacks", "client"),
    *("storage", "keys", "workers", "cache", "migrate"),
)
"""What needs no more than the store; `ls` is run, of these only the modules are loaded."""
UNNEEDED = (
    *("celery", "kombu", "fastapi", "starlette", "httpx2", "jinja2", "lxml", "cryptography.x509"),
    *("adaptation.engine.engine", "adaptation.wiring", "adaptation.workflows"),
)
LOADED_BY = """
import importlib, sys
from adaptation.cli.app import COMMANDS, main
print(main(["ls"]))
places = {{name: place.partition(":")[0] for name, place, _ in COMMANDS}}
for name in {others}:
    importlib.import_module(f"adaptation.cli.{{places[name]}}")
sys.stderr.write(" ".join(name for name in {unneeded} if name in sys.modules))
"""


def test_help_comes_at_once_and_loads_nothing_heavy() -> None:
    script = MEASURED.format(heavy=HEAVY)
    # The best of three: what is measured is the command, not what else this machine does.
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    status, _, rest = runs[0].stderr.partition(" ")
    assert status == "0"
    assert rest.split()[1:] == []
    assert min(float(run.stderr.split()[1]) for run in runs) < HELP_CPU_SECONDS
    assert all(name in runs[0].stdout for name, _, _ in COMMANDS)


def test_commands_that_only_use_the_store_load_neither_the_engine_nor_the_workflows(
    home: Path,
) -> None:
    script = LOADED_BY.format(others=STORE_ALONE, unneeded=UNNEEDED)
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "ADAPTATION_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split("\n", 1) == ["0", ""]
    assert ended.stderr.split() == []


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"adaptation {name}" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["encode"],
        ["encode", "a", "b", "--nonsense"],
        ["encode", "a", "b", "--segment-seconds", "soon"],
        ["encode", "a", "b", "--verify", "never"],
        ["--log-level", "loud", "ls"],
    ],
)
def test_bad_usage_ends_with_2_and_where_to_look(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert "hint: Try: adaptation" in shown.err


@pytest.mark.parametrize(
    "words", [["show", "7"], ["logs", "7"], ["watch", "x", "--wait", "0"], ["cancel", "7"]]
)
def test_an_unknown_job_ends_with_4(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 4
    assert "code: job_unknown" in capsys.readouterr().err


def test_a_database_out_of_reach_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ADAPTATION_HOME", str(tmp_path / "file" / "home"))
    assert main(["ls"]) == 3
    assert "code: database_unavailable" in capsys.readouterr().err


def test_a_setting_out_of_range_ends_with_2_and_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADAPTATION_SLOTS", "0")
    assert main(["ls"]) == 2
    assert "ADAPTATION_SLOTS" in capsys.readouterr().err


def test_a_worker_without_a_broker_names_the_command_that_needs_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["worker"]) == 2
    assert "adaptation serve" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ended = subprocess.run(
            [sys.executable, "-m", "adaptation", "doctor"],
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.stderr == ""
    assert ended.returncode == 141


def test_the_doctor_finds_this_machine_fit() -> None:
    ended = adaptation("doctor", "--json")
    findings = {finding["name"]: finding for finding in ended.documents[0]}
    assert ended.status == 0
    assert findings["libx264"]["ok"]
    assert findings["ffmpeg"]["found"]
    assert re.fullmatch(r"ffmpeg is of 20\d\d", findings["age"]["found"])
    assert "wal" in findings["database"]["found"]


def test_the_doctor_names_what_is_missing_and_the_remedy() -> None:
    ended = adaptation("doctor", ADAPTATION_FFMPEG="/nowhere/ffmpeg")
    assert ended.status == 1
    assert "missing  tools" in ended.out
    assert "ADAPTATION_FFMPEG" in ended.out
