"""Templates made to HTML, and how numbers and times are written for people."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

STATIC = Path(__file__).parent / "static"
WORDS = {
    "queued": ("◷", "queued"),
    "started": ("▶", "running"),
    "completed": ("✓", "done"),
    "failed": ("✕", "failed"),
    "broken": ("⊘", "cancelled"),
    "scheduled": ("◴", "scheduled"),
    "paused": ("‖", "paused"),
    "waiting": ("◷", "waiting"),
    "ready": ("◷", "ready"),
    "running": ("▶", "running"),
    "done": ("✓", "done"),
    "cancelled": ("⊘", "cancelled"),
    "skipped": ("-", "skipped"),
    "lost": ("◌", "worker lost"),
    "released": ("↩", "handed back"),
    "idle": ("○", "idle"),
    "working": ("●", "busy"),
    "draining": ("◐", "draining"),
    "late": ("◔", "late"),
    "silent": ("◌", "lost"),
    "active": ("●", "active"),
    "resting": ("◐", "rests"),
}
"""An icon and a word for each state: colour alone tells nobody anything."""
UNITS = ("B", "kB", "MB", "GB", "TB")


@cache
def environment() -> Environment:
    """What all templates are made with: everything is escaped, and nothing may be missing."""
    made = Environment(
        loader=PackageLoader("adaptation.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"span": span, "size": size, "clock": clock, "percent": percent}
    made.globals |= {"static": static, "words": WORDS}
    return made


def prepare() -> None:
    """Compile all templates: the first page then comes as fast as any other."""
    for name in environment().list_templates():
        environment().get_template(name)


def painted(template: str, **facts: Any) -> str:
    """A template as HTML."""
    return environment().get_template(template).render(facts)


def span(seconds: float | None) -> str:
    """A length of time: `0:31`, `4:07`, `1:02:03`, `3 days`."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole >= 2 * 86_400:
        return f"{whole // 86_400} days"
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{last:02}" if hours else f"{minutes}:{last:02}"


def size(number: float | None) -> str:
    """An amount of bytes: `48 MB`."""
    if number is None:
        return "-"
    for unit in UNITS[:-1]:
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} {UNITS[-1]}"


def clock(moment: datetime | None) -> str:
    """A time of today as `12:01:07`, another as `2026-05-04 12:01`; UTC."""
    if moment is None:
        return "-"
    utc = moment.astimezone(UTC)
    is_today = utc.date() == datetime.now(UTC).date()
    return utc.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")


def percent(share: float) -> str:
    """A share: `78 %`; only what is whole is 100."""
    return f"{min(99, int(100 * share)) if share < 1 else 100} %"


@cache
def static(name: str) -> str:
    """The address of a file beside the templates, which changes with its content.

    Empty for one that is not installed: pages work without it.
    """
    path = STATIC / name
    if not path.is_file():
        return ""
    return f"/ui/static/{name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
