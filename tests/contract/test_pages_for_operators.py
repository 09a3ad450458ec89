"""Pages of the fleet, of what holds for all, and of what can be submitted."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape

import httpx2
import pytest

from adaptation.adapters.storage_config import StorageConfig
from api_kit import Api
from contract.browser import Browser

ADMINS = ("/ui/clients", "/ui/storages")


@pytest.fixture
def browser(api: Api) -> Iterator[Browser]:
    with httpx2.Client(trust_env=False, timeout=30) as web:
        yield Browser(api.url.rstrip("/"), web)


def test_workers_are_shown_with_what_they_run(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    assert "No worker has reported" in browser.get("/ui/workers").text
    with api.deployment.engine.running(3):
        page = browser.get("/ui/workers").text
        name = api.admin.get("/workers")[0]["name"]
    assert name in page
    assert "0/3" in page


def test_an_admin_changes_settings_and_others_look(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    token = browser.token()
    changed = browser.post("/ui/settings", name="max_jobs", setting="7", token=token)
    assert changed.status_code == 303
    assert setting(api, "max_jobs") == 7
    assert browser.post(
        "/ui/settings", name="max_jobs", setting="many", token=token
    ).status_code == (400)
    assert browser.post("/ui/settings", name="max_jobs", setting="", token=token).status_code == 303
    assert setting(api, "max_jobs") == 2
    schedule = api.deployment.store.schedules()[0].name
    browser.post("/ui/schedules", schedule=schedule, active="0", token=token)
    assert not api.deployment.store.schedules()[0].active
    browser.post("/ui/schedules", schedule=schedule, active="1", token=token)
    assert api.deployment.store.schedules()[0].active
    browser.sign_in(api.client)
    assert 'name="setting"' not in browser.get("/ui/settings").text
    refused = browser.post("/ui/settings", name="max_jobs", setting="9", token=browser.token())
    assert refused.status_code == 403
    assert setting(api, "max_jobs") == 2


def setting(api: Api, name: str) -> float:
    rows = {row["name"]: row["setting"] for row in api.admin.get("/settings")["settings"]}
    return float(rows[name])


def test_only_admins_see_clients_and_storages(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    for path in ADMINS:
        assert browser.get(path).status_code == 403
    token = browser.token()
    for path in ("/ui/clients/revoke", "/ui/storages/check", "/ui/schedules"):
        assert browser.post(path, token=token).status_code == 403
    browser.sign_in(api.admin)
    page = browser.get("/ui/clients").text
    assert api.other.name in page
    assert api.other.key not in page
    prefix = api.deployment.store.keys(api.other.name)[0].prefix
    browser.post("/ui/clients/revoke", client=api.other.name, prefix=prefix, token=browser.token())
    assert api.other.call("GET", "/jobs").status_code == 401


def test_a_storage_is_tried_by_a_button(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    assert "None but the machines" in browser.get("/ui/storages").text
    config = StorageConfig(
        name="films",
        kind="S3",
        bucket="films",
        endpoint="http://127.0.0.1:9",
        account="a",
        private=True,
        secret_key="planted-secret",
    )
    api.deployment.store.add_storage(config)
    try:
        page = browser.get("/ui/storages").text
        assert "films" in page
        assert "planted-secret" not in page
        tried = browser.post("/ui/storages/check", name="films", token=browser.token()).text
        assert "open: " in tried or "write: " in tried
        assert ": works<" not in tried
    finally:
        api.deployment.store.remove_storage("films")


def test_a_job_is_planned_and_submitted_by_a_form(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    assert "/ui/workflows/encoding_workflow" in browser.get("/ui/workflows").text
    path = "/ui/workflows/encoding_workflow"
    page = browser.get(path).text
    described = api.client.get("/workflows/encoding_workflow")["parameters"]["properties"]
    for name in described:
        assert f'name="{name}"' in page
    sent = {"token": browser.token(), "content_id": "by <form>", "segment_seconds": "6"}
    missing = browser.post(path, do="submit", **sent)
    assert missing.status_code == 400
    assert "url" in missing.text
    assert 'value="by &lt;form&gt;"' in missing.text  # nothing has to be written again
    bad = browser.post(path, do="submit", url="https://example.org/a.mp4", renditions="[1", **sent)
    assert bad.status_code == 400
    assert "not in JSON" in bad.text
    good = browser.post(
        path, do="submit", url="https://example.org/a.mp4", surround="true", priority="3", **sent
    )
    if good.status_code == 400:
        raise AssertionError(unescape(good.text))
    job = api.client.get("/jobs", limit=1)[0]
    assert good.headers["location"] == f"/ui/jobs/{job['id']}"
    assert job["priority"] == 3
    assert job["parameters"]["content_id"] == "by <form>"
    assert job["parameters"]["segment_seconds"] == 6
