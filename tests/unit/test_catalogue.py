"""What can be submitted is described so that programs and people can rely on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from adaptation.engine.tasks import Registry
from adaptation.errors import ParameterError
from adaptation.workflows import catalogue, encoding
from engine_kit import small_registry


@pytest.fixture
def described() -> dict[str, Any]:
    registry = Registry()
    encoding.register(registry, Path("/assets"))
    return catalogue.description(registry, encoding.NAME)


def test_the_parameters_are_a_schema_that_takes_the_example(described: dict[str, Any]) -> None:
    schema = described["parameters"]

    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert schema["$schema"] == catalogue.DRAFT
    assert validator.is_valid(described["example"])
    assert not validator.is_valid({**described["example"], "segment_seconds": 31})
    assert not validator.is_valid({**described["example"], "urls": []})
    assert not validator.is_valid({})


def test_every_parameter_says_what_it_means_and_its_default(described: dict[str, Any]) -> None:
    schema = described["parameters"]
    for name, field in schema["properties"].items():
        assert field["description"].endswith("."), name
        assert ("default" in field) != (name in schema["required"]), name


def test_the_tasks_tell_queues_order_and_which_add_more(described: dict[str, Any]) -> None:
    tasks = {task["name"]: task for task in described["tasks"]}

    assert list(tasks)[:3] == ["download_file", "get_video_size", "add_playlist_header"]
    assert [name for name, task in tasks.items() if task["expands"]] == ["add_playlist_header"]
    assert tasks["get_video_size"]["depends_on"] == [tasks["download_file"]["key"]]
    assert {task["queue"] for task in tasks.values()} == set(described["queues"])


def test_a_workflow_that_says_little_is_described_all_the_same() -> None:
    fan = catalogue.description(small_registry(), "fan")

    assert [task["expands"] for task in fan["tasks"]] == [False, True, False]
    assert fan["parameters"]["type"] == "object"
    assert catalogue.description(small_registry(), "line")["tasks"] == []


def test_an_unknown_workflow_names_those_there_are() -> None:
    with pytest.raises(ParameterError) as error:
        catalogue.description(small_registry(), "fun")
    assert (error.value.code, "fan" in error.value.hint) == ("workflow_unknown", True)
