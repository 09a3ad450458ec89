"""The command line against a server: the same words, forms and exit statuses as on its machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from adaptation.engine.schema import delivery
from adaptation.settings import load_settings
from adaptation.wiring import deploy
from api_kit import Api, Caller, running_api
from command_line import Ended, adaptation, here
from engine_kit import HandWorker
from events_kit import SmallDeployment
from fault_proxy import LOST, running_proxy
from services import free_port

FILM = "https://example.org/film.mp4"


@pytest.fixture
def api(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Api]:
    """A server of small tasks; the environment names it, and the client with its key's file."""
    deployment = SmallDeployment(load_settings())
    # The server is in this process, and its log is none of the commands' output.
    with capture_logs(), running_api(deployment) as served:
        monkeypatch.setenv("ADAPTATION_SERVER", served.url)
        become(served.client, monkeypatch, tmp_path)
        # Whoever asks a server has no home of the engine.
        monkeypatch.setenv("ADAPTATION_HOME", str(tmp_path / "nowhere"))
        yield served
    deployment.store.close()
    assert not (tmp_path / "nowhere").exists()


@pytest.fixture
def hand(api: Api, tmp_path: Path) -> HandWorker:
    return HandWorker(api.deployment.store, api.deployment.registry, tmp_path)


def become(caller: Caller, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the environment name a client and a file with its key."""
    file = folder / f"{caller.name}.key"
    file.write_text(f"{caller.key}\n")
    monkeypatch.setenv("ADAPTATION_CLIENT", caller.name)
    monkeypatch.setenv("ADAPTATION_API_KEY_FILE", str(file))


def last(ended: Ended) -> str:
    return ended.err.splitlines()[-1]


def test_a_job_is_watched_and_shown_up_to_its_end(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue("line", client="client", parameters={"length": 2})
    hand.run_all()

    watched = here("watch", job_id)
    shown = here("show", job_id)
    document = here("show", job_id, "--json").documents[0]

    assert watched.status == 0, watched.err
    events = watched.documents
    assert (events[-1]["event"], events[-1]["queue_state"]) == ("end", "completed")
    assert {event["event"] for event in events} == {"log", "task", "job", "end"}
    assert shown.out.startswith(f"job        {job_id} (line), done\n")
    assert shown.out.count("count_one") == 2
    assert (document["status"], document["state"], document["progress"]) == ("done", "completed", 1)
    assert [task["state"] for task in document["tasks"]] == ["done", "done"]


def test_a_job_that_was_cancelled_ends_its_watch_with_1(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client")

    assert last(here("cancel", job_id)) == f"Job {job_id} is cancelled."
    assert here("watch", job_id).status == 1
    assert here("pause", job_id).code == "state_forbids"
    assert here("pause", job_id).status == 2


def test_the_log_is_printed_as_it_stands_and_as_it_goes_on(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client")
    hand.run_all()

    printed, followed = here("logs", job_id), here("logs", job_id, "--follow")

    assert (printed.status, printed.out) == (0, followed.out)
    messages = [line["message"] for line in here("logs", job_id, "--json").documents]
    assert messages == [line.message for line in hand.store.logs(job_id)]


def test_a_job_is_steered(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client")

    assert (
        last(here("priority", job_id, 1)) == f"Job {job_id} has priority 1, number 1 in the queue."
    )
    assert last(here("pause", job_id)) == f"Job {job_id} is paused."
    assert last(here("resume", job_id)) == f"Job {job_id} goes on."
    again = here("rerun", job_id)
    assert (again.status, last(again)) == (0, f"Job {job_id} runs anew as job {again.last_line}.")
    assert here("retry", again.last_line).code == "state_forbids"
    hand.run_all()
    ended = here("cancel", again.last_line)
    assert (ended.status, "had ended before: done" in ended.err) == (0, True)


def test_only_ones_own_jobs_are_listed_and_all_for_an_admin(
    api: Api, hand: HandWorker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = hand.queue(client="client", parameters={"length": 1, "url": FILM})
    theirs = hand.queue(client="other")

    assert here("ls").out.split()[:3] == [str(ours), "queued", "1"]
    assert FILM in here("ls").out
    assert here("show", theirs).status == 4
    become(api.admin, monkeypatch, tmp_path)
    assert [row["job_id"] for row in here("ls", "--json").documents[0]] == [theirs, ours]
    assert [r["job_id"] for r in here("ls", "--owner", "other", "--json").documents[0]] == [theirs]
    assert here("ls", "--state", "paused").out == ""
    assert here("ls", "--state", "asleep").status == 2


def test_the_fleet_is_looked_at_and_set(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert here("workers").out.split()[0] == "worker"
    assert here("workers", "--json").documents == [[]]
    assert [row["name"] for row in here("workflows", "--json").documents[0]] == ["fan", "line"]
    assert "count_one (queue light)" in here("workflows", "fan").out
    assert here("workflows", "fim").status == 4
    refused = here("settings", "max_jobs", 5)
    assert (refused.status, refused.code) == (2, "forbidden")
    become(api.admin, monkeypatch, tmp_path)
    changed = here("settings", "max_jobs", 5)
    assert changed.err == "max_jobs setting created\n"
    assert changed.out.splitlines()[1].split()[:3] == ["max_jobs", "5", "2"]
    assert here("settings", "max_jobs", "--json").documents[0][0]["value"] == 5
    assert here("settings", "maxjobs").status == 4


def test_a_client_and_a_server_may_be_named_in_the_command(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ADAPTATION_SERVER", "ADAPTATION_CLIENT", "ADAPTATION_API_KEY_FILE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("ADAPTATION_API_KEY", api.other.key)

    assert here("--server", api.url, "--client", "other", "ls").status == 0
    assert here("ls", f"--server={api.url}", "--client", "client").code == "unauthorized"
    assert here("ls", "--server", api.url).code == "credentials_missing"
    monkeypatch.delenv("ADAPTATION_API_KEY")
    assert here("ls", "--server", api.url, "--client", "other").code == "credentials_missing"
    monkeypatch.setenv("ADAPTATION_API_KEY_FILE", "/nowhere/at/all")
    assert here("ls", "--server", api.url, "--client", "other").code == "credentials_missing"


def test_exit_statuses_are_those_of_the_local_command_line(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = here("show", 77)
    assert (missing.status, missing.code) == (4, "job_unknown")
    assert (here("show", "film").status, here("show", "film").code) == (2, "usage")
    monkeypatch.setenv("ADAPTATION_API_KEY", "wrong")
    assert (here("ls").status, here("ls").code) == (2, "unauthorized")
    monkeypatch.setenv("ADAPTATION_SERVER", f"http://127.0.0.1:{free_port()}")
    away = here("ls")
    assert (away.status, away.code) == (3, "server_unavailable")
    assert "adaptation serve" in away.hint


def test_what_runs_on_this_machine_asks_no_server(api: Api) -> None:
    named = here("encode", "film.mp4", "--server", api.url)

    assert (named.status, named.code) == (2, "usage")
    assert here("profiles").status == 0, "the environment's server does not count"


def test_a_client_may_have_the_name_of_a_command(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTATION_API_KEY", api.deployment.store.add_client("demo", "client")[1])

    assert here("--server", api.url, "--client", "demo", "ls").status == 0


def test_callbacks_are_listed_and_sent_once_more(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client", endpoints=("http://127.0.0.1:1/told",))
    hand.run_all()

    listed = here("callbacks", job_id)
    rows = here("callbacks", job_id, "--json").documents[0]

    assert [row["event"] for row in rows] == ["start", "complete", "job"]
    assert [row["state"] for row in rows] == ["pending"] * 3
    assert listed.out.splitlines()[0].split()[:3] == ["callback", "event", "task"]
    assert listed.out.count("http://127.0.0.1:1/told") == 3
    assert here("redeliver", job_id, 99).status == 4
    first = rows[0]["id"]
    early = here("redeliver", job_id, first)
    assert (early.status, early.code) == (2, "state_forbids")
    with hand.store.database.write() as connection:
        connection.execute(update(delivery).values(state="dead", finished_at=delivery.c.created_at))
    again = here("redeliver", job_id, first)
    assert (again.status, f"Callback {first} is sent once more" in again.err) == (0, True)
    assert [row["state"] for row in here("callbacks", job_id, "--json").documents[0]] == [
        "pending",
        "dead",
        "dead",
    ]


def test_end_points_are_closed_and_opened_here_and_over_a_server_in_the_same_words(
    api: Api, hand: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:1/told?token=abc"
    job_id = hand.queue(client="client", endpoints=hand.store.named((url,)))
    hand.run_all()

    closed = here("callbacks", "disable", url)
    listed, document = here("callbacks", "endpoints"), here("callbacks", "endpoints", "--json")
    monkeypatch.delenv("ADAPTATION_SERVER")
    monkeypatch.setenv("ADAPTATION_HOME", str(api.deployment.settings.home))
    at_home = here("callbacks", "endpoints", "--json").documents[0]
    assert at_home == document.documents[0]
    assert here("callbacks", "endpoints").out == listed.out
    opened = here("callbacks", "enable", "http://127.0.0.1:1/told?token=***", "--of", "client")

    assert closed.err == (
        "http://127.0.0.1:1/told?token=*** is disabled; 3 waiting callbacks were dropped.\n"
    )
    assert [(one["state"], one["reason"]) for one in at_home] == [("disabled", "disabled by hand")]
    assert listed.out.count("abc") == opened.err.count("abc") == 0
    assert (opened.status, here("callbacks", "enable", url, "--of", "client").status) == (0, 4)
    assert {one.state for one in hand.store.deliveries(job_id)} == {"dropped"}


def test_help_shows_what_a_server_can_be_asked_for(api: Api) -> None:
    assert "--owner" in here("ls", "--help").out
    assert "--client" in here("ls", "--help").out
    listed = here("--server", api.url, "--help").out
    assert "watch" in listed
    assert "encode " not in listed


def test_a_source_that_only_this_machine_knows_is_refused(api: Api) -> None:
    refused = here("submit", "film.mp4")

    assert (refused.status, refused.code) == (2, "usage")
    assert "absolute path" in refused.hint


def test_a_submission_whose_answer_was_lost_stores_one_job(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deployment = deploy()
    with capture_logs(), running_api(deployment) as served, running_proxy(served.url) as proxy:
        become(served.admin, monkeypatch, tmp_path)
        monkeypatch.setenv("ADAPTATION_SERVER", proxy.url)
        proxy.faults = [LOST]
        stored = here("submit", FILM, "film", "--priority", 2, "--segment-seconds", 6, "--persist")
        rows = here("ls", "--json").documents[0]
    deployment.store.close()

    assert (stored.status, stored.err) == (0, f"Job {stored.out.strip()} is stored.\n")
    assert [str(row["job_id"]) for row in rows] == [stored.out.strip()]
    assert (rows[0]["priority"], rows[0]["client"]) == (2, "admin")
    asked = rows[0]["parameters"]
    assert (asked["url"], asked["segment_seconds"]) == (FILM, 6)
    assert rows[0]["output_folder"].endswith("film")


def test_asking_a_server_loads_nothing_of_the_engine(api: Api) -> None:
    heavy = ("sqlalchemy", "celery", "kombu", "fastapi", "pydantic", "adaptation.engine")
    code = (
        "import sys; from adaptation.cli import main; assert main(['ls', '--json']) == 0;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )

    assert [json.loads(line.replace("'", '"')) for line in done.stdout.splitlines()] == [[], []]


def test_the_key_is_in_no_command_line_and_no_output(api: Api) -> None:
    ended = adaptation("ls", "--log-level", "debug")

    assert ended.status == 0
    assert api.client.key not in ended.out + ended.err
