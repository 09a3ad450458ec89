"""`adaptation workflows` lists and shows what can be submitted."""

from __future__ import annotations

from command_line import here


def test_the_list_has_a_line_for_each_workflow() -> None:
    lines = here("workflows").out.splitlines()
    names = [line.partition(":")[0] for line in lines]
    assert names == sorted(names)
    assert {"encoding_workflow", "capture_frame"} <= set(names)
    assert [one["name"] for one in here("workflows", "--json").documents[0]] == names


def test_a_workflow_is_shown_with_parameters_tasks_and_an_example() -> None:
    told = here("workflows", "encoding_workflow").out
    assert "  url (required): " in told
    assert "  segment_seconds (default 4): " in told
    assert "  add_playlist_header (queue playlist), adds more when it runs" in told
    assert '"url": "https://example.org/film.mp4"' in told


def test_an_unknown_workflow_ends_with_4() -> None:
    ended = here("workflows", "nonsense")
    assert (ended.status, ended.code) == (4, "workflow_unknown")
    assert "encoding_workflow" in ended.hint
