"""How callbacks are sent is checked before it is stored."""

from __future__ import annotations

import json

import pytest

from adaptation.engine.clients import CallbackStyle
from adaptation.errors import ParameterError

TEMPLATE = '{"id": {{ job_id }}{% if files %}, "first": {{ files[0] | tojson }}{% endif %}}'


def test_a_style_survives_being_stored() -> None:
    style = CallbackStyle({"X-Token": "a b"}, {"task": TEMPLATE}, verify_tls=False)

    style.check()

    assert CallbackStyle.from_json(json.loads(json.dumps(style.to_json()))) == style
    assert CallbackStyle.from_json({}) == CallbackStyle()


@pytest.mark.parametrize("name", ["Authorization", "content-type", "X_Y", "x~1"])
@pytest.mark.parametrize("value", ["", "Bearer abc=", "a\tb"])
def test_ordinary_headers_are_taken(name: str, value: str) -> None:
    CallbackStyle({name: value}).check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "a"),
        ("X Y", "a"),
        ("X:", "a"),
        ("X\r\nY", "a"),
        ("Ä", "a"),
        ("Host", "a"),
        ("content-LENGTH", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Webhook-Id", "a"),
        ("webhook-new", "a"),
        ("X", "s3cret\r\nHost: evil"),
        ("X", "s3cret\n"),
        ("X", " s3cret"),
        ("X", "s3cret\x00"),
        ("X", "s3cretä"),
    ],
)
def test_headers_that_would_break_the_request_are_refused(name: str, value: str) -> None:
    with pytest.raises(ParameterError) as caught:
        CallbackStyle({name: value}).check()

    assert caught.value.code == "callback_invalid"
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("text", ["{{ job_id", "{% if a %}", "{{ a | no_such_filter }}", "{{ }}"])
def test_a_template_that_is_no_jinja_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ParameterError, match="template of job callbacks, line 2") as caught:
        CallbackStyle(templates={"job": f"ok\n{text}"}).check()

    assert caught.value.code == "callback_invalid"


def test_only_jobs_and_tasks_have_templates() -> None:
    with pytest.raises(ParameterError) as caught:
        CallbackStyle.from_json({"templates": {"tusk": "a"}}).check()

    assert caught.value.code == "callback_invalid"
