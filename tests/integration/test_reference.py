"""The page that describes the API: whole, readable without scripts, and asking nobody else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adaptation.api.outline import MOMENT, example_of, kind_of, outline
from adaptation.settings import load_settings
from api_kit import Api, running_api
from events_kit import SmallDeployment

ONE = {"a": True}


class Seen(HTMLParser):
    """What a browser without scripts would do with a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.ids, self.links = list[str](), list[str](), list[str]()
        self.fetched, self.inline = list[str](), list[str]()
        self.style, self.text = "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "href", "srcset", "action", "data"}:
                self.fetched.append(value or "")
            elif name == "style" or name.startswith("on"):
                self.inline.append(name)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["style"] and not self.style:
            self.style = data
        else:
            self.text += data


@pytest.fixture
def api(home: Path) -> Iterator[Api]:
    deployment = SmallDeployment(load_settings())
    with running_api(deployment) as served:
        yield served
    deployment.store.close()


def test_the_page_tells_of_every_route_and_object_and_loads_nothing(api: Api) -> None:
    answer = httpx2.get(f"{api.url}docs", trust_env=False)
    seen = Seen(answer.text)
    description = api.client.get("/openapi.json")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert seen.fetched == seen.inline == []
    assert not {"script", "link", "img", "iframe", "form", "base"} & set(seen.tags)
    assert len(seen.ids) == len(set(seen.ids))
    assert {link for link in seen.links if not link.startswith("#")} == {"/openapi.json"}
    assert {link[1:] for link in seen.links if link.startswith("#")} <= set(seen.ids)
    words = re.sub(r"\s+", " ", seen.text)
    for path, methods in description["paths"].items():
        for method, route in methods.items():
            assert f"{method.upper()} {path}" in words
            assert route["summary"].rstrip(".") in words
            for parameter in route.get("parameters", ()):
                assert parameter["description"] in words
    for shape in description["components"]["schemas"].values():
        for name, field in shape.get("properties", {}).items():
            assert name in words
            assert field.get("description", "") in words


def test_the_page_may_load_nothing_but_its_own_style(api: Api) -> None:
    answer = httpx2.get(f"{api.url}docs", trust_env=False)
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )

    digest = hashlib.sha256(Seen(answer.text).style.encode()).digest()
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["style-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert "script-src" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_example_of_a_body_is_one_that_is_accepted(api: Api) -> None:
    document = api.client.get("/openapi.json")
    (route,) = (
        one
        for group in outline(document, "/openapi.json").groups
        for one in group.routes
        if one.anchor == "put-scheduler"
    )
    head, _, body = route.example.partition("\n\n")

    assert head.splitlines() == [
        "PUT /scheduler HTTP/1.1",
        "client: …",
        "api-key: …",
        "Content-Type: application/json",
    ]
    wanted = json.loads(body) | {"schedule": "queue_scheduled_jobs"}
    assert api.admin.call("PUT", "/scheduler", wanted).status_code == 200


@pytest.mark.parametrize(
    ("schema", "words", "example"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 9}, "integer, at least 3, at most 9", 3),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null", "…"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/A"}}, "list of A", [ONE]),
        ({"type": "string", "format": "date-time"}, "moment", MOMENT),
        ({"enum": ["x", "y"]}, '"x" or "y"', "x"),
        ({"const": "ok", "type": "string"}, '"ok"', "ok"),
        ({"type": "boolean", "default": False}, "boolean; false when not given", False),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "object of integer", {}),
        ({}, "anything", {}),
        ({"$ref": "#/components/schemas/Endless"}, "Endless", None),
    ],
)
def test_a_type_has_a_name_and_an_example(schema: Any, words: str, example: Any) -> None:
    shapes = {
        "A": {"type": "object", "properties": {"a": {"type": "boolean"}}},
        "Endless": {
            "type": "object",
            "properties": {"more": {"$ref": "#/components/schemas/Endless"}},
        },
    }

    assert "".join(piece.text for piece in kind_of(schema)) == words
    found = example_of(schema, shapes)
    assert found == example or (example is None and found["more"])
