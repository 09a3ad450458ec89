"""Look for known vulnerabilities in what the locks name; not to have looked is a failure.

usage: python tools/audit.py [PIP_AUDIT]

`pip-audit` says "No known vulnerabilities found" as well where it could not ask, or has skipped a
package. Here each pinned package must have been asked for by name. Exit code 0: all were looked up
and nothing is known; 1: something is; 2: could not look.

`requirements/audit.toml` names advisories that are known and borne, each with a reason and a day on
which it counts again.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("run", "dev", "build", "uv")
"""The sets of `requirements` that run here or at a user's."""
BORNE = ROOT / "requirements" / "audit.toml"
TOOL = ROOT / ".venv" / "audit" / "bin" / "pip-audit"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", re.MULTILINE)
ELSEWHERE = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==[^\n]* ; ", re.MULTILINE)
"""A pin for some systems or versions of Python only, which need not be those here."""
FLAGS = ("--strict", "--disable-pip", "--format", "json", "--progress-spinner", "off")
LONGEST_SECONDS = 300
FINE, KNOWN, BLIND = 0, 1, 2


@dataclass(frozen=True)
class Verdict:
    """What has come of looking at one lock."""

    code: int
    lines: tuple[str, ...]


def main(words: list[str]) -> int:
    """Look at every lock; the exit code."""
    tool = Path(words[0]) if words else TOOL
    borne, late = ignored(BORNE, datetime.now(UTC).date())
    verdicts = [Verdict(KNOWN, tuple(late))] if late else []
    verdicts += [looked(tool, ROOT / "requirements" / f"{name}.txt", borne) for name in LOCKS]
    for verdict in verdicts:
        print("\n".join(verdict.lines))
    return max(verdict.code for verdict in verdicts)


def ignored(file: Path, today: date) -> tuple[list[str], list[str]]:
    """The advisories that are borne today, and a line for each that is borne no more."""
    listed = tomllib.loads(file.read_text()).get("borne", [])
    borne, late = [], []
    for one in listed:
        if not one.get("reason") or not isinstance(one.get("until"), date):
            late.append(f"{one.get('id')}: it needs a reason, and a day as `until`")
        elif one["until"] <= today:
            late.append(f"{one['id']}: it was borne until {one['until']}: {one['reason']}")
        else:
            borne.append(str(one["id"]))
    return borne, late


def looked(tool: Path, lock: Path, borne: list[str]) -> Verdict:
    """Ask for all that a lock names."""
    options = [word for one in borne for word in ("--ignore-vuln", one)]
    command = [str(tool), "--requirement", str(lock), *FLAGS, *options]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
        )
        found = json.loads(ended.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired) as error:
        return _blind(lock, str(error))
    except (ValueError, LookupError, TypeError):
        return _blind(lock, ended.stderr.strip()[-500:] or "it says nothing that can be read")
    return judged(lock, found, ended.returncode)


def judged(lock: Path, found: list[dict[str, Any]], status: int) -> Verdict:
    """What the answers for a lock mean.

    Args:
        lock: what was asked for.
        found: a name each, with `vulns`, or with `skip_reason` if nobody was asked.
        status: of the tool.
    """
    known = [
        f"{lock.name}: {one['name']} {one.get('version', '')}: {vuln['id']}, mended in "
        f"{', '.join(vuln.get('fix_versions') or ()) or 'no version yet'}"
        for one in found
        for vuln in one.get("vulns") or ()
    ]
    if known:
        return Verdict(KNOWN, tuple(known))
    asked = {_plain(one["name"]) for one in found if "vulns" in one and "skip_reason" not in one}
    text = lock.read_text()
    wanted = {_plain(name) for name in PIN.findall(text)}
    missing = wanted - asked - {_plain(name) for name in ELSEWHERE.findall(text)}
    if missing or not asked or status:
        some = ", ".join(sorted(missing)[:5]) or f"pip-audit ended with status {status}"
        return _blind(lock, f"not looked up: {some}")
    return Verdict(FINE, (f"{lock.name}: {len(asked)} packages, nothing known",))


def _blind(lock: Path, why: str) -> Verdict:
    return Verdict(BLIND, (f"{lock.name}: could not look: {why}",))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
