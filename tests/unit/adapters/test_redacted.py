"""No secret reaches a log line, whatever it stands in."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from adaptation.adapters.masking import redacted, redacted_fields
from adaptation.engine.keys import make_key, new_signing_secret
from adaptation.logs import set_up_logs

KEY = "ad_abcdefgh_" + "S" * 45 + "wxyz"
SECRET = "whsec_" + "S3cret+/" * 5 + "S3c="
PLACES = (
    "{}",
    "key={}",
    "GET /jobs?key={}&limit=1",
    "api-key: {}",
    "{{'api-key': '{}'}}",
    '{{"text": "{{\\"api_key\\": \\"{}\\"}}"}}',
    "(b'api-key', b'{}')",
    "Authorization: Bearer {}",
    "https://ann:{}@h/film.mp4",
    "https://h/cb?token={}",
    "\n{}\n",
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY}.", "key ad_abcdefgh_***wxyz."),
        (f"signed by {SECRET}, or not", "signed by whsec_***, or not"),
        ("api-key: hunter22", "api-key: ***"),
        ("API-Key=hunter22&x=1", "API-Key=***&x=1"),
        ("{'api-key': 'hunter22', 'client': 'ann'}", "{'api-key': '***', 'client': 'ann'}"),
        ("[(b'api-key', b'hunter22'), (b'a', b'b')]", "[(b'api-key', b'***'), (b'a', b'b')]"),
        ("authorization: Basic aHVudGVy, a", "authorization: Basic ***, a"),
        ("cannot reach postgresql://ann:pw@db/x: no", "cannot reach postgresql://***@db/x: no"),
        ("'https://ann:pw@h/f' 'amqp://b:pw@h'", "'https://***@h/f' 'amqp://***@h'"),
        ("<https://ann:p/w@h/f>", "<***>"),
        ("https://h/f?X-Amz-Date=1&a=2", "https://h/f?X-Amz-Date=***&a=2"),
        ("GET /f?X-Amz-Credential=a%2Fb&Signature=c&sig=d&n=1 HTTP/1.1",
         "GET /f?X-Amz-Credential=***&Signature=***&sig=***&n=1 HTTP/1.1"),
        ("/f?next=https://ann:pw@h/", "/f?next=https://***@h/"),
        ("task load_chunk_0001 of job 7 took 1.5 s, a=b", None),
        ("https://h:81/a/film.mp4?v=2&part=1", None),
        ("the api-key is wrong; authorization is needed", None),
        ("from sqlite:////tmp/a.db and memory:// to file:///tmp/a.mp4", None),
        ("'https://ann:p'w@h/f','https://h/g'", "'https://***@h/f','https://h/g'"),
        ("ad_hoc_thread_pool_of_many_tasks", None),
    ],
)  # fmt: skip
def test_a_line_is_shown_without_its_secrets(text: str, shown: str | None) -> None:
    assert redacted(text) == (text if shown is None else shown)


@given(place=st.sampled_from(PLACES), before=st.text(), after=st.text(max_size=20))
def test_our_own_secrets_never_show_whatever_is_around(place: str, before: str, after: str) -> None:
    for secret in (make_key(), new_signing_secret()):
        line = redacted(f"{before} {place.format(secret)} {after}")
        assert secret not in line
        assert secret[12:-4] not in line


def test_what_is_redacted_stays_as_it_is() -> None:
    for place in PLACES:
        once = redacted(place.format(KEY))
        assert redacted(once) == once


def test_fields_are_redacted_however_deep_they_lie() -> None:
    error = ValueError(f"no {SECRET}")
    fields = {
        "event": f"got {KEY}",
        "api_key": "anything",
        "count": 3,
        "tokens": 7,
        "error": error,
        "many": [{"url": "https://a:b@h/"}, ("x", KEY)],
    }

    shown = redacted_fields(fields)

    assert (shown["count"], shown["tokens"], shown["api_key"]) == (3, 7, "***")
    assert "SSS" not in repr(shown)
    assert "S3cret" not in repr(shown)
    assert shown["many"][0] == {"url": "https://***@h/"}
    assert redacted_fields({"error": fields["many"], "plain": KeyError("a")})["plain"].args == (
        "a",
    )


def test_a_long_line_is_redacted_in_no_time() -> None:
    lines = ["a" * 200_000, "://" * 60_000, "ad_abcdefgh_" * 20_000, "?a=" * 60_000, "a." * 90_000]
    for line in [*lines, "api-key" * 30_000, "https://h/?" + "a=b&" * 40_000]:
        began = time.process_time()
        redacted(line)
        assert time.process_time() - began < 2


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Afterwards logging is set up as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("as_json", [True, False])
def test_every_log_line_is_redacted_with_its_fields_and_its_traceback(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    set_up_logs(logging.INFO, redact=redacted_fields, as_json=as_json)
    ours = structlog.get_logger("ours")
    theirs = logging.getLogger("theirs")

    ours.info(f"started with {KEY}", url="https://ann:pw@h/?sig=S3cret", nested={"a": [SECRET]})
    theirs.warning("request with %s", {"api-key": "S3cret"})
    try:
        raise ValueError(f"refused: {KEY}")
    except ValueError:
        theirs.warning("odd", exc_info=True)
        ours.warning("odd", exc_info=True)

    written = capsys.readouterr().err
    assert "SSS" not in written
    assert "S3cret" not in written
    assert "ann:pw" not in written
    assert written.count("ad_abcdefgh_***wxyz") >= 3
    assert written.count("ValueError: refused") == 2
    if as_json:
        assert len([json.loads(line) for line in written.splitlines()]) == 4
