"""Links that sign somebody in: once, soon, on the machine that granted them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from adaptation.api.server import serving
from adaptation.dashboard import entry
from adaptation.dashboard.entry import Passes
from adaptation.dashboard.mounting import mount
from adaptation.engine.clients import Role
from adaptation.engine.store import Store
from adaptation.settings import Settings
from api_kit import ContractDeployment

WHO, HOME = "looker", "/ui/"


@dataclass(frozen=True)
class Door:
    """A server that grants links."""

    url: str
    store: Store
    passes: Passes
    key_id: int

    def link(self) -> str:
        return self.passes.grant(self.key_id, HOME)

    def visitor(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url.rstrip("/"), trust_env=False)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    deployment = ContractDeployment(Settings(home=tmp_path, port=0))
    deployment.store.migrate()
    _, key, _ = deployment.store.add_client(WHO, Role.READONLY)
    known = deployment.store.authenticated(WHO, key)
    assert known
    apis: list[FastAPI] = []

    def mounted(api: FastAPI) -> None:
        mount(api)
        apis.append(api)

    with serving(deployment, "127.0.0.1", 0, mount=mounted) as url:
        yield Door(url, deployment.store, apis[0].state.passes, known[1])
    deployment.close()


def test_a_link_signs_in_whoever_opens_it_first_and_nobody_after(door: Door) -> None:
    link = door.link()
    with door.visitor() as first, door.visitor() as second:
        entered = first.get(link)
        assert (entered.status_code, entered.headers["location"]) == (303, HOME)
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert WHO in first.get(HOME).text
        again = second.get(link)
        assert (again.status_code, "link_used" in again.text) == (403, True)
        assert second.get(HOME).status_code == 303
        # Whoever is in already only goes on to the page.
        assert first.get(link).headers["location"] == HOME


def test_a_link_is_soon_too_old(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "PASS_SECONDS", -1)
    with door.visitor() as web:
        assert web.get(door.link()).status_code == 403


def test_a_page_of_elsewhere_whose_name_leads_here_cannot_use_a_link(door: Door) -> None:
    with door.visitor() as web:
        assert web.get(door.link(), headers={"Host": "evil.example"}).status_code == 403
        assert "set-cookie" not in web.get("/ui/enter?pass=guess").headers


def test_a_session_of_a_link_ends_with_its_key(door: Door) -> None:
    with door.visitor() as web:
        web.get(door.link())
        assert web.get(HOME).status_code == 200
        (key,) = door.store.keys(WHO)
        door.store.revoke_key(WHO, key.prefix)
        assert web.get(HOME).headers["location"].startswith("/ui/login")
