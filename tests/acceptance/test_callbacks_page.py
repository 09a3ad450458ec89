"""The page "Callbacks", followed to the letter: a service, a client, a film and a receiver."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from adaptation.engine.store import Store
from adaptation.wiring import deploy
from clips import make_plain
from command_line import Ended, shell, started
from receiver import receiving
from services import free_port, wait_until

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "callbacks.md").read_text()
PROMISED = {"complete", "job", "start"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def good(done: Ended) -> str:
    """What a script said that ended well."""
    assert done.status == 0, done.err
    return done.out


def test_the_page_works_when_it_is_followed_literally(tmp_path: Path, home: Path) -> None:
    make_plain(tmp_path).rename(tmp_path / "film.mp4")
    port = str(free_port())
    submit, look, close, shape = blocks("sh")
    allowed = re.search("`ADAPTATION_ALLOWED_NETWORKS=(.+?)`", PAGE)
    assert allowed
    with (
        shell(tmp_path) as run,
        receiving(tmp_path / "log") as receiver,
        started(
            "serve",
            ADAPTATION_PORT=port,
            ADAPTATION_SOURCE_ROOT=str(tmp_path),
            ADAPTATION_ALLOWED_NETWORKS=allowed[1],
        ),
    ):
        store = deploy().store
        assert wait_until(lambda: "alive" in answers(port), 20)
        submit = submit.replace("8020", port).replace("http://127.0.0.1:8030", receiver.url)
        submit = submit.replace('"film.mp4"', f'"{tmp_path / "film.mp4"}"')
        assert '"result":"accepted"' in good(run(submit))
        assert wait_until(lambda: told(store), 60)
        good(run(shape))
        listed = good(run(look.replace("8020", port)))
        assert '"result":"disabled; 0 waiting' in good(run(close.replace("8020", port)))
        # Two were sent once more: by the command line, and over HTTP.
        sent_once = len(store.deliveries(1))
        assert wait_until(lambda: len(receiver.requests()) == sent_once + 2, 20)
        secret = good(run("adaptation client show studio --secret --json"))

    assert "delivered" in listed
    job = next(one["json"] for one in receiver.requests() if "status" in one["json"])
    example = next(json.loads(block) for block in blocks("json") if "status" in block)
    assert list(job) == list(example)
    assert (job["content_id"], job["custom_data"]) == ("film-42", {"shelf": 7})
    assert Path(job["message"]).name == "master.m3u8"
    assert all(Path(file).is_file() for file in job["files"])
    assert sorted(job["files"]) == sorted(
        str(path) for path in Path(job["message"]).parent.rglob("*") if path.is_file()
    )
    assert {one["json"].get("event", "job") for one in receiver.requests()} == PROMISED
    check: dict[str, Any] = {}
    exec(blocks("python")[0], check)  # the page's own code
    key = re.search(r"whsec_[A-Za-z0-9+/=]+", secret)
    assert key is not None
    for one in receiver.requests():
        assert check["is_genuine"](one["headers"], one["body"].encode(), key[0])
        assert not check["is_genuine"](one["headers"], one["body"].encode() + b" ", key[0])
    store.close()


def answers(port: str) -> str:
    command = ["curl", "-s", f"http://127.0.0.1:{port}/"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def told(store: Store) -> bool:
    found = store.deliveries(1)
    return bool(found) and found[-1].event == "job" and found[-1].state == "delivered"
