"""Callbacks are believed exactly if they are signed, fresh and whole."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from adaptation.client import SignatureInvalid, verify_callback

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()
BODY = json.dumps({"job_id": 7, "status": "completed"})


def signed(body: str = BODY, secret: str = SECRET, age_seconds: int = 0) -> dict[str, str]:
    """The headers that the reference implementation gives a body."""
    moment = datetime.fromtimestamp(int(time.time()) - age_seconds, tz=UTC)
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(moment.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", moment, body),
    }


def test_what_the_reference_signs_is_believed() -> None:
    assert verify_callback(signed(), BODY.encode(), SECRET) == {"job_id": 7, "status": "completed"}
    assert verify_callback(signed(), BODY, SECRET) == json.loads(BODY)


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed()
    other = signed(secret=OTHER)["Webhook-Signature"]
    several = f"v1a,xxxx {other} v1,???? {headers['Webhook-Signature']}"

    assert verify_callback({**headers, "Webhook-Signature": several}, BODY, SECRET)["job_id"] == 7


@given(body=st.dictionaries(st.text(), st.integers() | st.text()), age=st.integers(-700, 700))
def test_the_reference_and_we_believe_the_same(body: dict[str, Any], age: int) -> None:
    # Their clock and ours are not asked at once: the limit itself is left out.
    if abs(abs(age) - 300) < 5:
        return
    text = json.dumps(body)
    headers = signed(text, age_seconds=age)
    try:
        theirs = Webhook(SECRET).verify(text, headers)
    except WebhookVerificationError:
        with pytest.raises(SignatureInvalid):
            verify_callback(headers, text, SECRET)
    else:
        assert verify_callback(headers, text, SECRET) == theirs == body


@pytest.mark.parametrize(
    ("change", "body", "secret"),
    [
        ({"Webhook-Id": "msg_2"}, BODY, SECRET),
        ({"Webhook-Timestamp": str(int(time.time()) + 9)}, BODY, SECRET),
        ({"Webhook-Timestamp": "soon"}, BODY, SECRET),
        ({"Webhook-Signature": "v1,"}, BODY, SECRET),
        ({"Webhook-Signature": "nonsense"}, BODY, SECRET),
        ({"Webhook-Signature": ""}, BODY, SECRET),
        ({}, BODY + " ", SECRET),
        ({}, BODY, OTHER),
        ({}, BODY, "whsec_"),
        ({}, BODY, "whsec_é"),
    ],
)
def test_whatever_was_changed_is_refused(change: dict[str, str], body: str, secret: str) -> None:
    with pytest.raises(SignatureInvalid) as refused:
        verify_callback({**signed(), **change}, body, secret)

    assert refused.value.code == "signature_invalid"


def test_an_old_callback_is_refused_unless_more_is_tolerated() -> None:
    headers = signed(age_seconds=400)

    with pytest.raises(SignatureInvalid, match="too old"):
        verify_callback(headers, BODY, SECRET)
    assert verify_callback(headers, BODY, SECRET, tolerance_seconds=500)


@pytest.mark.parametrize("body", ["[]", "not json"])
def test_a_signed_body_that_is_no_object_is_refused(body: str) -> None:
    with pytest.raises(SignatureInvalid, match="JSON"):
        verify_callback(signed(body), body, SECRET)
