"""The page about profiles has the profiles as they are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from adaptation.media.profile import CodecLadder
from adaptation.media.profile_document import ProfileTable, VideoTable, resolve
from adaptation.workflows.profiles import Profiles

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs/profiles.md").read_text()


def row(name: str, ladder: CodecLadder) -> str:
    coding = ladder.coding
    rate = f"{coding.rate_control} {coding.crf}"
    rungs = ", ".join(f"{rung.side} at {rung.bitrate // 1000}" for rung in ladder.rungs)
    cells = [f"`{name}`", coding.codec, coding.encoder, coding.preset, rate, rungs]
    return f"| {' | '.join(cells)} |"


def rows() -> Iterator[str]:
    known = Profiles.among(None)
    for name in known.files:
        for ladder in known.find(name).ladders:
            yield row(name, ladder)


def test_the_table_of_profiles_is_that_of_the_files() -> None:
    assert re.findall(r"^\| `[a-z0-9-]+` \|.*$", PAGE, re.MULTILINE) == list(rows())


def test_the_example_is_a_valid_profile_and_names_every_field() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    document = tomllib.loads(example)
    assert set(document) == {*ProfileTable.model_fields, "clients"}
    assert set(document["video"]["h264"]) == set(VideoTable.model_fields)
    profile = resolve("example", document)
    assert profile.coding("h264").crf == 23
    assert resolve("example", document, [document["clients"]["acme"]]).coding("h264").crf == 21
