"""What the product consists of is listed whole, and an audit that did not look has failed."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import audit  # noqa: E402 - it is no package
import sbom  # noqa: E402

LOCK = """\
alpha==1.0 \\
    --hash=sha256:00
beta-one[extra]==2.0 \\
    --hash=sha256:00
gamma==3.0 ; sys_platform == 'win32' \\
    --hash=sha256:00
"""
CLEAN: list[dict[str, Any]] = [
    {"name": "alpha", "version": "1.0", "vulns": []},
    {"name": "Beta_One", "version": "2.0", "vulns": []},
]


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "run.txt"
    file.write_text(LOCK)
    return file


def tool(folder: Path, answer: object, status: int = 0, complaint: str = "") -> Path:
    """A program that answers like `pip-audit`."""
    said = answer if isinstance(answer, str) else json.dumps({"dependencies": answer})
    file = folder / "pip-audit"
    file.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stderr.write({complaint!r})\n"
        f"sys.stdout.write({said!r})\nsys.exit({status})\n"
    )
    file.chmod(0o755)
    return file


def test_all_that_was_asked_for_and_has_nothing_passes(tmp_path: Path, lock: Path) -> None:
    found = audit.looked(tool(tmp_path, CLEAN), lock, [])

    assert found == audit.Verdict(audit.FINE, ("run.txt: 2 packages, nothing known",))


@pytest.mark.parametrize(
    ("answer", "status", "complaint"),
    [
        ([], 0, "No known vulnerabilities found"),
        (CLEAN[:1], 0, "No known vulnerabilities found"),
        ([*CLEAN[:1], {"name": "beta-one", "skip_reason": "not found"}], 0, ""),
        ("", 1, "ConnectionError: no route to the advisories"),
        ("no JSON", 0, ""),
        (CLEAN, 1, ""),
    ],
)
def test_an_audit_that_could_not_look_has_failed(
    tmp_path: Path, lock: Path, answer: object, status: int, complaint: str
) -> None:
    found = audit.looked(tool(tmp_path, answer, status, complaint), lock, [])

    assert found.code == audit.BLIND
    assert "could not look" in found.lines[0]


def test_an_audit_without_its_tool_has_failed(lock: Path) -> None:
    assert audit.looked(Path("/nowhere/pip-audit"), lock, []).code == audit.BLIND


def test_what_is_known_is_named_with_what_mends_it(tmp_path: Path, lock: Path) -> None:
    bad = [{**CLEAN[0], "vulns": [{"id": "GHSA-1", "fix_versions": ["1.1"]}]}, CLEAN[1]]

    found = audit.looked(tool(tmp_path, bad, 1), lock, [])

    assert found == audit.Verdict(audit.KNOWN, ("run.txt: alpha 1.0: GHSA-1, mended in 1.1",))


def test_what_is_borne_counts_again_from_its_day_on(tmp_path: Path) -> None:
    file = tmp_path / "audit.toml"
    file.write_text(
        '[[borne]]\nid = "A"\nreason = "unused"\nuntil = 2027-01-31\n[[borne]]\nid = "B"\n'
    )

    assert audit.ignored(file, date(2027, 1, 30))[0] == ["A"]
    borne, late = audit.ignored(file, date(2027, 1, 31))
    assert borne == []
    assert [line.partition(":")[0] for line in late] == ["A", "B"]


def test_what_is_borne_in_this_repository_has_reasons_and_days() -> None:
    assert audit.ignored(audit.BORNE, date(2000, 1, 1))[1] == []


def test_the_bill_lists_every_pin_and_the_programs_inside_wheels() -> None:
    bill = sbom.bill()

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {one["name"]: one for one in bill["components"]}
    pinned = {line.partition("==")[0] for line in _pins()}
    assert {name.partition("[")[0] for name in pinned} <= components.keys()
    assert components["sqlalchemy"]["purl"].startswith("pkg:pypi/sqlalchemy@2.1")
    encoder = next(one for name, one in components.items() if name.startswith("ffmpeg-linux-x86"))
    inside = {one["name"] for one in encoder["components"]}
    assert {"libx264", "libx265", "libsvtav1", "libavcodec"} <= inside
    assert encoder["version"].startswith("n9")
    assert len(encoder["hashes"][0]["content"]) == 64
    packager = next(one for name, one in components.items() if name.startswith("packager"))
    assert packager["version"].startswith("v3.")
    refs = [one["bom-ref"] for one in bill["components"]]
    refs += [inner["bom-ref"] for one in bill["components"] for inner in one.get("components", ())]
    assert len(refs) == len(set(refs))


def _pins() -> list[str]:
    lines = (ROOT / "requirements" / "run.txt").read_text().splitlines()
    return [line for line in lines if "==" in line and not line.startswith((" ", "#"))]
