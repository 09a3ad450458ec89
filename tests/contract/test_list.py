"""Section 3: lists, each filter, each order."""

from __future__ import annotations

from typing import Any

import pytest

from api_kit import Api
from contract.test_status import ROW

LISTED = ROW | {"parameters"}


def ids(api: Api, **query: Any) -> list[int]:
    return [row["id"] for row in api.client.get("/jobs", **query)]


def test_the_last_ten_come_first_when_nothing_is_said(api: Api) -> None:
    stored = [api.client.submit() for _ in range(11)]

    assert ids(api) == stored[:0:-1]


def test_a_row_has_exactly_these_fields(api: Api) -> None:
    job_id = api.client.submit(priority=4)

    row = api.client.get("/jobs")[0]

    assert set(row) == LISTED
    assert (row["id"], row["client"], row["workflow"]) == (job_id, api.client.name, "line")
    assert (row["priority"], row["queue_state"], row["failed"]) == (4, "queued", False)
    assert (row["run_at"], row["parameters"]) == (None, {"length": 1})
    assert isinstance(row["position"], int)


def test_as_many_rows_as_wanted_from_1_to_1000(api: Api) -> None:
    stored = [api.client.submit() for _ in range(3)]

    assert ids(api, limit=2) == stored[:0:-1]
    assert ids(api, limit=1000) == stored[::-1]
    for wrong in (0, -1, 1001, "many", ""):
        assert "limit" in api.client.refused(400, "GET", "/jobs", limit=wrong)["error"]


@pytest.mark.parametrize(
    "name",
    ["id", "client", "workflow", "priority", "position", "created_at", "updated_at", "queue_state",
     "failed", "run_at"],
)  # fmt: skip
def test_rows_are_ordered_by_any_property(api: Api, name: str) -> None:
    stored = {api.client.submit(), api.client.submit(run_at="2040-01-01T00:00:00")}

    assert set(ids(api, order_by=name, asc=1)) == stored
    assert set(ids(api, order_by=name, asc=0)) == stored


def test_an_order_goes_up_or_down(api: Api) -> None:
    low, high = api.client.submit(priority=9), api.client.submit(priority=2)

    assert ids(api, order_by="priority", asc=1) == [high, low]
    assert ids(api, order_by="priority", asc=0) == ids(api, order_by="priority") == [low, high]
    assert ids(api, asc=1) == [low, high]
    assert ids(api, order_by="created_at", asc=1) == [low, high]


def test_an_unknown_order_is_refused_with_those_there_are(api: Api) -> None:
    error = api.client.refused(400, "GET", "/jobs", order_by="colour")

    assert "order_by" in error["error"]
    assert "priority" in error["error"]


def test_each_state_has_its_number_and_its_word(api: Api) -> None:
    ended = api.client.submit()
    api.client.call("POST", f"/jobs/{ended}/cancel")
    held = api.client.submit()
    api.client.call("POST", f"/jobs/{held}/pause")
    scheduled = api.client.submit(run_at="2040-01-01T00:00:00")
    started = api.client.submit()
    api.deployment.store.admit(started)
    queued = api.client.submit()

    expected = {0: queued, 1: started, 2: None, 3: None, 4: ended, 5: scheduled, 6: held}
    words = ["queued", "started", "completed", "pending", "broken", "scheduled", "paused"]
    for number, job_id in expected.items():
        wanted = [] if job_id is None else [job_id]
        assert ids(api, state=number) == wanted
        assert ids(api, state=words[number]) == wanted
    for wrong in (7, -1, "done", ""):
        assert "state" in api.client.refused(400, "GET", "/jobs", state=wrong)["error"]
    api.client.call("POST", f"/jobs/{started}/cancel")


def test_creation_is_limited_on_either_side_or_both(api: Api) -> None:
    first = api.client.submit()
    moment = api.client.get(f"/jobs/{first}")["created_at"]
    later = first
    # The next millisecond, by the database's clock.
    while api.client.get(f"/jobs/{later}")["created_at"] == moment:
        later = api.client.submit()
    then = api.client.get(f"/jobs/{later}")["created_at"]

    assert later in ids(api, from_=then)
    assert first not in ids(api, from_=then)
    assert first in ids(api, to=moment)
    assert later not in ids(api, to=moment)
    assert {first, later} <= set(ids(api, from_=moment, to=then))
    assert ids(api, from_=moment[:-1]) == ids(api, from_=moment), "the Z may be left out"
    bad: dict[str, Any] = {"from_": "x"}
    assert "from" in api.client.refused(400, "GET", "/jobs", **bad)["error"]
    assert "to" in api.client.refused(400, "GET", "/jobs", to="x")["error"]


def test_failed_goes_together_with_completed_alone(api: Api) -> None:
    queries: list[dict[str, Any]] = [{}, {"state": 4}, {"state": 0}]
    for query in queries:
        error = api.client.refused(400, "GET", "/jobs", failed=1, **query)
        assert "state=2" in error["hint"]
    assert ids(api, failed=0, state=2) == ids(api, failed=1, state=2) == []


def test_a_search_finds_the_content_id_and_any_part_of_the_parameters(api: Api) -> None:
    wanted = api.client.submit(parameters={"length": 1, "content_id": "film-4711"})
    api.client.submit(parameters={"length": 1, "content_id": "other"})

    assert ids(api, search="film-4711") == [wanted]
    assert ids(api, search="4711") == [wanted]
    assert ids(api, search="%") == []
    assert ids(api, search="nowhere") == []
    api.client.refused(400, "GET", "/jobs", search="x" * 201)


def test_jobs_are_named_by_their_ids(api: Api) -> None:
    stored = [api.client.submit() for _ in range(3)]

    assert ids(api, job_ids=f"{stored[2]},{stored[0]}") == [stored[2], stored[0]]
    assert ids(api, job_ids=f" {stored[1]} , 999999999 ") == [stored[1]]
    assert ids(api, job_ids="") == []
    api.client.refused(400, "GET", "/jobs", job_ids="1,x")


def test_only_an_admin_names_another_client(api: Api) -> None:
    job_id = api.client.submit()

    assert ids(api, client=api.client.name) == [job_id]
    assert api.client.refused(403, "GET", "/jobs", client=api.other.name)["code"] == "forbidden"
    named = api.admin.get("/jobs", client=api.client.name)
    assert [row["id"] for row in named] == [job_id]


def test_kept_ones_are_told_from_others(api: Api) -> None:
    kept, other = api.client.submit(persist=True), api.client.submit()

    assert ids(api, persist=1) == [kept]
    assert ids(api, persist=0) == [other]


def test_filters_go_together(api: Api) -> None:
    wanted = api.client.submit(persist=True, parameters={"length": 1, "content_id": "one"})
    api.client.submit(persist=True)
    api.client.submit(parameters={"length": 1, "content_id": "one"})

    assert ids(api, persist=1, state=0, search="one", limit=5, order_by="priority") == [wanted]


def test_pages_follow_each_other_by_the_last_id(api: Api) -> None:
    stored = [api.client.submit() for _ in range(5)][::-1]

    assert (
        ids(api, limit=2)
        + ids(api, limit=2, before=stored[1])
        + ids(api, limit=2, before=stored[3])
        == stored
    )


def test_an_unknown_filter_is_named_with_the_nearest(api: Api) -> None:
    error = api.client.refused(400, "GET", "/jobs", limt=3)

    assert error["code"] == "query_parameter_unknown"
    assert "Did you mean limit?" in error["error"]
