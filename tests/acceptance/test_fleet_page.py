"""The page "From one machine to a fleet", followed to the letter."""

from __future__ import annotations

import json
import re
from pathlib import Path

from clips import make_plain
from command_line import shell

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "fleet.md"
ENDING = """
kill $(jobs -p)
wait
"""
"""Stops what the page leaves running."""


def test_the_page_leads_from_nothing_to_a_published_film(
    tmp_path: Path, home: Path, bare_postgres_url: str, redis_url: str
) -> None:
    shared = tmp_path / "video"
    shared.mkdir()
    make_plain(tmp_path).rename(shared / "film.mp4")
    here = {
        "postgresql://adaptation@db.example/adaptation": bare_postgres_url,
        "redis://broker.example/0": redis_url,
        "/mnt/video": str(shared),
        "/etc/adaptation": str(tmp_path),
    }
    script = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S))
    for there, place in here.items():
        assert there in script
        script = script.replace(there, place)

    with shell(tmp_path) as run:
        done = run(script + ENDING)

    assert done.status == 0, done.err
    assert (shared / "film_asset" / "master.m3u8").is_file()
    told = [json.loads(line) for line in done.out.splitlines() if line.startswith('{"')]
    assert (told[-1]["status"], told[-1]["complete"]) == ("completed", True)
    alone = {path.name for path in home.iterdir()}
    assert alone == {"scratch", ".scratch.lock"}, "the rest is shared"
