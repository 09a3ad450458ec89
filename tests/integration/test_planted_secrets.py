"""Secrets that are planted in a fleet's run: whoever looks from outside finds none of them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from redis import Redis

import clips
from adaptation.adapters.keyring import new_key_text
from adaptation.engine.keys import make_key
from adaptation.engine.store import Store
from api_kit import Caller
from command_line import here
from planted import Watch, Web, dump, hits, serving, watching
from services import wait_until

SMALL = {"renditions": [{"height": 90, "bitrate": 100}]}
PLANTED = {
    name: f"Planted-{number:02}+{name.replace(' ', '/')}=="
    for number, name in enumerate(
        (
            "source password",
            "X-Amz-Signature",
            "sig",
            "refused password",
            "callback password",
            "callback token",
            "callback header",
            "callback bearer",
            "semaphore token",
            "database password",
            "broker password",
            "token of a default",
        ),
        start=1,
    )
}
"""By what they are; the API's key, the signing secret and the key that seals come to them."""


@contextmanager
def monitoring(url: str) -> Iterator[list[str]]:
    """All that a Redis is told, for the length of a block; whole when the block has ended."""
    place, told = urlsplit(url), [""]

    def on(connection: socket.socket) -> None:
        heard = b""
        while part := connection.recv(65_536):
            heard += part
        told[0] = heard.decode(errors="replace")

    with socket.create_connection((str(place.hostname), place.port or 0)) as connection:
        connection.sendall(b"MONITOR\r\n")
        thread = threading.Thread(target=on, args=(connection,))
        thread.start()
        try:
            yield told
        finally:
            connection.sendall(b"QUIT\r\n")
            thread.join(10)


@contextmanager
def fleet(folder: Path) -> Iterator[tuple[str, Watch]]:
    """A service and a worker, with all they say in `*.log`, and what they start."""
    commands = {
        "serve": ["serve", "--port", "0", "--log-level", "debug", "--log-json"],
        "worker": ["worker", "--slots", "2", "--log-level", "debug"],
    }
    running = []
    try:
        for name, words in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                command = [sys.executable, "-m", "adaptation", *words]
                running.append(subprocess.Popen(command, stdout=log, stderr=log))
        with watching(*(one.pid for one in running)) as watch:
            yield _address(folder / "serve.log"), watch
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait(30)


def _address(log: Path) -> str:
    """Where the API answers, as soon as the log says so."""

    def said() -> str:
        return "".join(re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())[:1])

    assert wait_until(lambda: bool(said()), 60), log.read_text()
    return said()


def submitted(client: Caller, web: Web) -> list[int]:
    """A job that goes well, one whose source is refused, one that waits for a semaphore."""
    pair = {name: quote(secret, safe="") for name, secret in PLANTED.items()}
    film = f"/film.mp4?X-Amz-Signature={pair['X-Amz-Signature']}&sig={pair['sig']}"
    token = f"token={pair['callback token']}"
    told, loud = (
        web.url(f"/{name}?{token}", PLANTED["callback password"]) for name in ("told", "loud")
    )
    ends = {"good": [told], "bad": [loud, told], "late": [told]}
    sources = {
        "good": web.url(film, PLANTED["source password"]),
        "bad": web.url("/gone.mp4", PLANTED["refused password"]),
        "late": web.url(film, PLANTED["source password"]),
    }
    late = {"semaphore_url": web.url(f"/ready?token={pair['semaphore token']}")}
    return [
        client.submit(
            "encoding_workflow",
            {"url": url, "output_folder": name, "rest_endpoints": ends[name], **SMALL},
            **(late if name == "late" else {}),
        )
        for name, url in sources.items()
    ]


def answers(callers: list[Caller], jobs: list[int]) -> dict[str, str]:
    """Every answer to a GET that the API describes."""
    found = {f"events of {job}": _events(callers[0], job) for job in jobs[:2]}
    for caller in callers:
        for path, routes in caller.get("/openapi.json")["paths"].items():
            if "get" in routes and "events" not in path:
                for job in jobs if "job_id" in path else jobs[:1]:
                    filled = path.format(job_id=job, name="encoding_workflow", id=job)
                    found[f"{caller.name}: GET {filled}"] = caller.call("GET", filled).text
    return found


def _events(caller: Caller, job: int) -> str:
    """What is told of a job that has ended, from its beginning to its end."""
    return caller.call("GET", f"/jobs/{job}/events", headers={"Last-Event-ID": "0"}).text


@pytest.fixture
def settings(
    home: Path, postgres_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """A fleet's settings, with planted passwords; the secrets by what they are."""
    keys = tmp_path / "keys"
    keys.write_text(new_key_text())
    quoted = {name: quote(secret, safe="") for name, secret in PLANTED.items()}
    names = {
        "DATABASE_URL": postgres_url.replace("@", f":{quoted['database password']}@"),
        "BROKER_URL": redis_url.replace("//", f"//default:{quoted['broker password']}@"),
        "SECRET_KEY_FILE": str(keys),
        "CALLBACK_SCHEDULE": "0.2",
        "SWEEP_SECONDS": "0.3",
        "PARALLEL_CHUNKS": "1",
    }
    monkeypatch.delenv("ADAPTATION_SECRET_KEY")
    for name, value in names.items():
        monkeypatch.setenv(f"ADAPTATION_{name}", value)
    return {**PLANTED, "sealing key": keys.read_text()}


def added(name: str, role: str, *words: str) -> tuple[Caller, str]:
    """A new client, and what signs its callbacks."""
    told = json.loads(here("client", "add", name, "--role", role, "--json", *words).out)
    return Caller("", name, told["key"]), told["signing_secret"]


@pytest.mark.logs_errors
def test_no_planted_secret_is_found_anywhere(
    settings: dict[str, str], home: Path, redis_url: str, postgres_url: str, tmp_path: Path
) -> None:
    here("settings", "schedule_interval", "1")
    own = [f"--header=X-Studio={PLANTED['callback header']}"]
    own += [f"--header=X-Token=Bearer {PLANTED['callback bearer']}"]
    token = quote(PLANTED["token of a default"], safe="")
    own += [f'--default=rest_endpoints=["https://example.org/?token={token}"]']
    studio, signing = added("studio", "client", *own)
    admin, _ = added("boss", "admin")
    settings |= {"API key": studio.key, "signing secret": signing.removeprefix("whsec_")}
    wrong = make_key()

    with (
        serving(clips.make_plain(tmp_path), PLANTED["source password"]) as web,
        monitoring(redis_url) as told,
        fleet(tmp_path) as (url, watch),
    ):
        studio, admin = (Caller(url, one.name, one.key) for one in (studio, admin))
        studio.call("GET", f"/jobs?api-key={wrong}", headers={"api-key": wrong})
        jobs = submitted(studio, web)
        store = Store(os.environ["ADAPTATION_DATABASE_URL"])
        assert wait_until(lambda: _settled(admin, jobs), 120), (tmp_path / "serve.log").read_text()
        assert wait_until(lambda: any("/ready" in line for line, _, _ in web.heard), 20)
        places = answers([studio, admin], jobs)
        stored = _stored(redis_url)
    places["broker"] = "\n".join([*told, *stored])
    places["database"] = dump(store)
    store.close()
    places |= {path.name: path.read_text() for path in tmp_path.glob("*.log")}
    places |= {
        f"home: {path}": path.read_bytes().decode(errors="replace")
        for path in home.rglob("*")
        if path.is_file()
    }
    places |= _commands(jobs)
    places["command lines"] = "\n".join(watch.commands)
    places["environments of tools"] = "\n".join(watch.environments)
    posts = [(line, headers, body) for line, headers, body in web.heard if line.startswith("POST")]
    places["callbacks"] = "\n".join(body for _, _, body in posts)

    _were_used(web, watch, places, jobs)
    assert len(settings) >= 12
    assert hits({**settings, "wrong API key": wrong}, places) == []


def _settled(admin: Caller, jobs: list[int]) -> bool:
    """Whether the jobs but the last have ended, and all that was told of them."""
    ended = all(
        admin.get(f"/jobs/{job}")["queue_state"] in {"completed", "broken"} for job in jobs[:2]
    )
    told = [one for job in jobs[:2] for one in admin.get(f"/jobs/{job}/callbacks")]
    return ended and bool(told) and all(one["state"] != "pending" for one in told)


def _stored(redis_url: str) -> list[str]:
    with closing(Redis.from_url(redis_url)) as connection:
        return [f"{name!r} {connection.dump(name)!r}" for name in connection.scan_iter()]


def _commands(jobs: list[int]) -> dict[str, str]:
    """What the command line says to whoever runs it."""
    asked = [["ls"], ["ls", "--json"], ["keys", "ls"], ["doctor"], ["client", "show", "studio"]]
    for job in jobs:
        asked += [["show", str(job)], ["show", str(job), "--json"], ["logs", str(job)]]
        asked += [["callbacks", str(job)], ["callbacks", str(job), "--json"]]
    ended = {" ".join(words): here(*words) for words in asked}
    return {words: one.out + one.err for words, one in ended.items()}


def _were_used(web: Web, watch: Watch, places: dict[str, Any], jobs: list[int]) -> None:
    """The secrets went where they had to, and the places were not empty."""
    got = " ".join(f"{line} {headers}" for line, headers, _ in web.heard)
    for name in ("callback header", "callback bearer"):
        assert PLANTED[name] in got
    assert any(line.startswith("POST /loud") for line, _, _ in web.heard)
    assert any(name.startswith("ffmpeg") for name in watch.tools), watch.tools
    assert places["database"].count("sealed:v1:") > 10
    assert "adaptation.execute" in places["broker"]
    assert f'"job_id": {jobs[0]}' in places["callbacks"]
    assert '"status": "completed"' in places["callbacks"]
    assert '"status": "failed"' in places["callbacks"]
