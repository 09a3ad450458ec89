"""For receivers of callbacks: whether one is from the engine, and new (Standard Webhooks 1.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from adaptation.errors import SignatureInvalid

PREFIX = "whsec_"
VERSION = "v1"


def verify_callback(
    headers: Mapping[str, str],
    body: bytes | str,
    secret: str,
    *,
    tolerance_seconds: float = 300,
) -> dict[str, Any]:
    """What a callback says, if it is signed with this secret.

    A callback may come twice: remember its header `webhook-id`, and drop repeats.

    Args:
        headers: of the request; their names in any case.
        body: of the request, byte for byte as it came.
        secret: `whsec_` and Base64; the operator gives it.
        tolerance_seconds: how old a callback may be, or how far in the future.

    Raises:
        SignatureInvalid: it is not signed so, too old, or no JSON object.
    """
    given = {name.lower(): value for name, value in headers.items()}
    identity, moment, signatures = (
        given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (identity and moment and signatures):
        raise _invalid("the headers webhook-id, webhook-timestamp and webhook-signature are needed")
    raw = body.encode() if isinstance(body, str) else body
    wanted = hmac.new(_key(secret), f"{identity}.{moment}.".encode() + raw, hashlib.sha256)
    # All are compared, so that the time tells nothing of which one fits.
    fits = [hmac.compare_digest(wanted.digest(), one) for one in _signatures(signatures)]
    if not any(fits):
        raise _invalid("the callback is not signed with this secret")
    _check_age(moment, tolerance_seconds)
    return _document(raw)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX) + "==")
    except (binascii.Error, ValueError) as error:
        raise _invalid("the secret is no Base64") from error
    if not key:
        raise _invalid("the secret is empty")
    return key


def _signatures(header: str) -> list[bytes]:
    found = []
    for part in header.split():
        version, _, text = part.partition(",")
        if version != VERSION:
            continue
        try:
            found.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found


def _check_age(moment: str, tolerance_seconds: float) -> None:
    if not (moment.isascii() and moment.isdigit() and len(moment) < 13):
        raise _invalid(f"the time {moment!r:.40} is no number of seconds")
    age = time.time() - int(moment)
    if abs(age) > tolerance_seconds:
        when = "old" if age > 0 else "early"
        raise _invalid(f"the callback is {abs(age):.0f} s too {when} to be believed")


def _document(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise _invalid("the body is no JSON") from error
    if not isinstance(document, dict):
        raise _invalid("the body is no JSON object")
    return document


def _invalid(message: str) -> SignatureInvalid:
    return SignatureInvalid(
        message, hint="Give the bytes as they came, the client's secret, and a clock that is right."
    )
