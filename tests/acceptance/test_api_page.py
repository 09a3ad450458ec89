"""The page "The API", followed to the letter."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from command_line import shell
from services import free_port, need_command

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "api.md"
ENDING = """
kill $(jobs -p)
wait
"""
"""Stops what the page leaves running."""


def documents(text: str) -> list[Any]:
    """JSON documents that stand one after another."""
    found, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def test_every_request_of_the_page_is_answered_well(tmp_path: Path, home: Path) -> None:
    need_command("curl", package="curl")
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    script = "".join(blocks).replace("8020", str(free_port())) + ENDING

    with shell(tmp_path) as run:
        done = run(script)

    assert done.status == 0, done.out[-1000:] + done.err[-1000:]
    told = documents(done.out)
    assert told[0] == {"result": "alive"}
    assert [one["id"] for one in told if one_of(one, "accepted")] == [1, 2, 2, 3]
    assert {"id": 1, "result": "Performed updates: priority, persist"} in told
    assert {"result": "ok", "message": "max_jobs setting created"} in told
    assert not any(isinstance(one, dict) and "error" in one for one in told)


def test_every_curl_of_the_page_stands_in_a_block_that_is_run() -> None:
    page = PAGE.read_text()
    run = "".join(re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S))

    assert page.count("curl ") == run.count("curl ")


def one_of(document: Any, result: str) -> bool:
    return isinstance(document, dict) and document.get("result") == result
