"""Workflows of other packages: installed, listed, run for real, and refused when broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import clips
from adaptation.errors import ParameterError, SettingsError
from adaptation.wiring import deploy
from command_line import here
from services import wait_until

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "contact_sheet"
MANUAL = EXAMPLE.parents[1] / "docs"
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
ALONE = ("--no-deps", "--no-build-isolation", "--no-index")


def install(folder: Path, module: str, entry: str) -> None:
    """Put a package with one module and one entry point into `folder`, as installers do."""
    name = entry.partition(":")[0]
    facts = folder / f"{name}-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[adaptation.workflows]\nmine = {entry}\n")
    (folder / f"{name}.py").write_text(module)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of `examples/`, built and installed by pip beside ours."""
    folder = tmp_path / "site"
    command = [*PIP, *ALONE, "--target", str(folder), str(EXAMPLE)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "contact_sheet", raising=False)
    return folder


def test_the_example_is_short_and_in_the_manual() -> None:
    module = (EXAMPLE / "contact_sheet.py").read_text()
    assert len(module.splitlines()) < 40
    assert f"```python\n{module}```" in (MANUAL / "workflows.md").read_text()


def test_an_installed_package_adds_a_workflow_that_runs(example: Path, tmp_path: Path) -> None:
    film = clips.make_plain(tmp_path)
    deployment = deploy()
    given = {"url": str(film), "output_folder": str(tmp_path / "out"), "every_seconds": 0.25}

    told = deployment.forecast("contact_sheet", given)
    job = deployment.engine.submit("contact_sheet", {**given, "content_id": "film-42"})
    with deployment.engine.running(2, job.id):
        wait_until(lambda: deployment.store.job(job.id).ended)

    done = deployment.store.job(job.id)
    deployment.close()
    assert done.succeeded, done.error
    assert done.subject == "film-42"
    assert (tmp_path / "out" / "sheet.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    assert [task["name"] for task in told["tasks"]] == ["download_file", "contact_sheet"]
    assert told["sure"] == "rough"


def test_an_installed_workflow_is_listed_and_described(example: Path) -> None:
    assert "contact_sheet: One JPEG" in here("workflows").out
    [described] = here("workflows", "contact_sheet", "--json").documents
    assert described["parameters"]["properties"]["every_seconds"]["default"] == 10.0
    assert [task["queue"] for task in described["tasks"]] == ["download", "transcode"]


def test_an_installed_workflow_confines_clients(example: Path) -> None:
    confine = deploy().registry.workflow("contact_sheet").confine

    with pytest.raises(ParameterError) as error:
        confine({"url": "/etc/passwd"}, "studio")
    assert error.value.code == "path_outside"


BROKEN = {
    "it raises": ("def register(registry): raise OSError('no')", "broken:register", "no"),
    "it is not there": ("", "broken:register", "register"),
    "its module cannot be imported": ("import nowhere", "broken:register", "nowhere"),
    "its task has a name that is taken": (
        "from adaptation.engine.tasks import task\n"
        "@task('probe')\n"
        "def publish(context, run): return context\n"
        "def register(registry): registry.add_tasks(publish)\n",
        "broken:register",
        "publish",
    ),
    "its workflow has a name that is taken": (
        "from adaptation.engine.tasks import WorkflowDefinition\n"
        "def register(registry):\n"
        "    registry.add_workflow(WorkflowDefinition('encoding_workflow', dict, None))\n",
        "broken:register",
        "encoding_workflow",
    ),
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_broken_package_is_named(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, entry, word = BROKEN[why]
    install(tmp_path, module, entry)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken", raising=False)

    with pytest.raises(SettingsError) as error:
        _ = deploy().registry

    assert error.value.code == "workflow_plugin"
    assert "'mine' (broken:register) of broken" in error.value.message
    assert word in error.value.message
    assert "broken" in error.value.hint


def test_a_workflow_that_confines_nobody_is_open_to_admins_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (
        "from adaptation.engine.tasks import WorkflowDefinition\n"
        "def register(registry):\n"
        "    registry.add_workflow(WorkflowDefinition('open', dict, None))\n"
    )
    install(tmp_path, lines, "opener:register")
    monkeypatch.syspath_prepend(str(tmp_path))

    definition = deploy().registry.workflow("open")

    with pytest.raises(ParameterError) as error:
        definition.confine({}, "")
    assert error.value.code == "workflow_closed"
    assert definition.check({}) == {}
