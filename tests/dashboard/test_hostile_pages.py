"""Whatever clients, files, workers and other sites write, no script of theirs runs on a page."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from adaptation.adapters.storage_config import StorageConfig
from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.engine.clients import Role
from adaptation.engine.model import Process
from adaptation.settings import Settings
from api_kit import Api, ContractDeployment, enrolled
from dashboard.other_site import form, frame, other_site
from dashboard.visits import need_browser, signed_in, visit
from engine_kit import HandWorker
from events_kit import write_lines
from kinds import WIDTHS

SCRIPT = (
    "<script>owned=1</script>\"'><img src=x onerror=owned=2><svg/onload=owned=3>"
    "</textarea></title></pre><a href='javascript:owned=4'>{{7*7}}{% raw %}${owned=5}"
)
LETTERS = "\x1b[31mred\x1b[0m \u202egpj.4pm \x07\x00\u2028\r\n\r\ndata: <b>owned</b>\n\n"
HOSTILE = SCRIPT + LETTERS
"""Markup, an address, templates, a terminal's colours, text backwards, NUL, an event's end."""
SHOWN = "<img src=x onerror=owned=2>"
"""Some of it, as a person reads it."""
LATE = "came late " + HOSTILE
CELLS = {
    "job": ("subject", "workflow"),
    "task": ("name", "worker_id"),
    "log": ("progname", "message"),
    "worker": ("host",),
    "delivery": ("url", "answer"),
}
"""What is overwritten where it lies: a page has to bear whatever there is."""
DOCUMENTS = {
    "job": ("parameters",),
    "task": ("detail", "params"),
    "worker": ("facts",),
}
OWNED = "window.owned ?? null"
MARKUP = (
    "main img:not([src^='/ui/']), svg[onload], script:not([src]):not([type='application/json'])"
)
ADDRESSES = "[href^='javascript:'], [src^='javascript:'], [action^='javascript:']"
PROOFS = (OWNED, *(f'document.querySelectorAll("{one}").length' for one in (MARKUP, ADDRESSES)))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    need_browser()
    deployment = ContractDeployment(Settings(home=tmp_path_factory.mktemp("hostile"), port=0))
    deployment.store.migrate()
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        yield enrolled(deployment, url)
    deployment.store.close()


@pytest.fixture
def hand(api: Api, tmp_path: Path) -> HandWorker:
    return HandWorker(api.deployment.store, api.deployment.registry, tmp_path)


@pytest.mark.parametrize(("width", "dark"), WIDTHS)
def test_nothing_that_others_write_runs_and_all_of_it_can_be_read(
    api: Api, hand: HandWorker, tmp_path: Path, width: int, dark: bool
) -> None:
    failed, open_one = _planted(api, hand)
    looks = tmp_path / "looks"
    paths = [f"/ui/?search={quote(SCRIPT[:190])}", "/ui/workflows/encoding_workflow"]
    paths += [f"/ui/{name}" for name in ("", "workflows", "settings", "clients", "storages")]
    paths += ["/ui/workers", f"/ui/workflows/{quote(SCRIPT, safe='')}", f"/ui/jobs/{failed}"]
    steps = signed_in(api.admin)
    for path in paths:
        steps += [["goto", path], *(["value", proof] for proof in PROOFS), ["axe"], ["wide"]]
        if path in ("/ui/", "/ui/workers", f"/ui/jobs/{failed}"):
            steps += [["see", "main", SHOWN], ["see", "main", "{{7*7}}{% raw %}${owned=5}"]]
    steps += [
        ["goto", f"/ui/jobs/{open_one}"],
        ["see", "#live", "live"],
        ["touch", str(looks)],
        ["see", "#log", "came late"],
        *(["value", proof] for proof in PROOFS),
        ["goto", "/ui/login?to=javascript:owned=6"],
        *(["value", proof] for proof in PROOFS),
    ]
    with _late(hand, open_one, looks):
        seen = visit(api.url, steps, width=width, dark=dark)
    answers = list(zip(steps, seen.seen, strict=False))
    not_found = [one for one in seen.errors if "404" in one]
    assert [one for one in seen.errors if one not in not_found] == []
    assert len(not_found) <= 1  # the workflow of that name
    assert seen.dialogs == []
    assert {answer for step, answer in answers if step == ["value", PROOFS[0]]} == {None}
    assert {answer for step, answer in answers if step[-1] in PROOFS[1:]} == {0}
    assert [answer for step, answer in answers if step == ["axe"]] == [[]] * len(paths)
    widths = dict(zip(paths, (a for step, a in answers if step == ["wide"]), strict=True))
    assert {path: wide for path, wide in widths.items() if wide > width} == {}


def test_no_other_site_can_press_a_button_or_show_a_page_in_a_frame(
    api: Api, hand: HandWorker
) -> None:
    job_id = hand.queue(client="client")
    pages: dict[str, str] = {}
    with other_site(pages) as port:
        address = f"{api.url.rstrip('/')}/ui/jobs/do?id={job_id}"
        pages["/form"] = form(address, do="cancel", token="", back="/ui/")
        pages["/login"] = form(f"{api.url.rstrip('/')}/ui/login", client="a", **{"api-key": "b"})
        pages["/frame"] = frame(f"{api.url.rstrip('/')}/ui/")
        steps = signed_in(api.admin)
        # By its address it is the same site on another port, and cookies go along; by its name not.
        refused, unknown = ("main", "another site sent this"), ("h1", "Sign in")
        for host, answer in (("127.0.0.1", refused), ("localhost", unknown)):
            for path, told in (("form", answer), ("login", refused)):
                steps += [["open", f"http://{host}:{port}/{path}"], ["click", "button"]]
                steps += [["see", *told]]
            steps += [["open", f"http://{host}:{port}/frame"], ["frames"]]
        steps += [["goto", "/ui/"], ["see", f"#job-{job_id} .state", "queued"]]
        seen = visit(api.url, steps)
    assert len(seen.seen) == len(steps), seen.errors
    framed = [answer for step, answer in zip(steps, seen.seen, strict=True) if step == ["frames"]]
    assert [len(urls) for urls in framed] == [2, 2]
    assert [url for urls in framed for url in urls if url.startswith(api.url)] == []
    kept_out = [one for one in seen.errors if "frame" in one]
    assert len(kept_out) == 2
    assert all("frame-ancestors 'none'" in one or "X-Frame-Options" in one for one in kept_out)
    assert [one for one in seen.errors if one not in kept_out and "403" not in one] == []
    assert api.client.get(f"/jobs/{job_id}")["queue_state"] == "queued"


def _planted(api: Api, hand: HandWorker) -> tuple[int, int]:
    """A failed job and one that runs, with hostile words wherever words can be."""
    store = api.deployment.store
    failed, open_one = hand.submit("line", length=2), hand.submit("fan", width=2)
    claims = {item.task_id: hand.claim(item, HOSTILE) for item in hand.ready()}
    for claim in claims.values():
        if claim is not None and claim.job_id == failed:
            error: dict[str, Any] = {
                "code": "internal",
                "message": HOSTILE,
                "hint": HOSTILE,
                "task": HOSTILE,
            }
            error |= {"task_id": claim.task_id, "log": HOSTILE, "last_lines": [HOSTILE]}
            store.fail(claim, error, retry_in_seconds=None, lines=[(40, HOSTILE)])
    write_lines(hand, failed, HOSTILE, severity=40)
    store.sign_on(Process(f"worker{failed}", "host", failed, 0, 2))
    if not store.storages():
        store.add_storage(
            StorageConfig(name="films", kind="S3", bucket="films", account="a", secret_key="b")
        )
        store.add_client("odd", Role.CLIENT)
    _overwrite(api)
    with store.database.write() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        for table, column in (("client", "name"), ("client_key", "client"), ("storage", "name")):
            one = f"UPDATE {table} SET {column} = :it WHERE {column} IN ('odd', 'films')"
            connection.execute(text(one), {"it": SCRIPT})
    return failed, open_one


def _overwrite(api: Api) -> None:
    document = json.dumps({SCRIPT: HOSTILE, "message": HOSTILE, "url": "javascript:owned=7"})
    with api.deployment.store.database.write() as connection:
        for table, columns in CELLS.items():
            for column in columns:
                connection.execute(text(f"UPDATE {table} SET {column} = :it"), {"it": HOSTILE})
        for table, columns in DOCUMENTS.items():
            for column in columns:
                connection.execute(text(f"UPDATE {table} SET {column} = :it"), {"it": document})


@contextmanager
def _late(hand: HandWorker, job_id: int, looks: Path) -> Iterator[None]:
    """A line of log that comes when somebody looks."""

    def write() -> None:
        while not looks.exists():
            time.sleep(0.05)
        write_lines(hand, job_id, LATE)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        looks.touch()
        writer.join()
