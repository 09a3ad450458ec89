"""`adaptation profiles`: which encoding profiles there are, and what one says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from cyclopts import Parameter

from adaptation.cli import exits, output
from adaptation.errors import AdaptationError
from adaptation.media.profile import CodecLadder, Profile
from adaptation.settings import load_settings
from adaptation.workflows.profiles import Profiles


def profiles(
    name: str | None = None,
    /,
    *,
    client: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """List the encoding profiles, or show one.

    The exit status is 1 when a profile of the list cannot be used.

    Args:
        name: The profile to show; all of them in short when not given.
        client: Show it as it is for this client.
        as_json: Print a JSON document; bit rates are bits per second.
    """
    known = Profiles.among(load_settings().profiles)
    if name is None:
        return _list(known, as_json=as_json)
    profile = known.find(name, client)
    if as_json:
        file = known.files[name]
        facts = {"file": str(file.path), "clients": known.clients(name)}
        output.document(profile.to_json() | facts)
    else:
        for line in _shown(profile):
            output.data(line)
        if others := known.clients(name):
            output.data(f"otherwise for the clients {', '.join(others)}")
    return exits.DONE


def _list(known: Profiles, *, as_json: bool) -> int:
    rows = [_row(known, name) for name in known.files]
    if as_json:
        output.document(rows)
    else:
        for row in rows:
            origin = "" if row["built_in"] else f"  ({row['file']})"
            output.data(f"{row['name']:<14} {row['error'] or row['description']}{origin}")
    return exits.JOB_FAILED if any(row["error"] for row in rows) else exits.DONE


def _row(known: Profiles, name: str) -> dict[str, Any]:
    file = known.files[name]
    row: dict[str, Any] = {"name": name, "file": str(file.path), "built_in": file.is_ours}
    try:
        profile = known.find(name)
    except AdaptationError as error:
        return row | {"description": "", "codecs": [], "error": error.message}
    codecs = [ladder.coding.codec for ladder in profile.ladders]
    return row | {"description": profile.description, "codecs": codecs, "error": ""}


def _shown(profile: Profile) -> Iterable[str]:
    yield f"{profile.name}: {profile.description}"
    for ladder in profile.ladders:
        yield from _ladder(ladder)
    rates = (profile.audio_bitrate // 1000, profile.surround_bitrate // 1000)
    yield f"sound: AAC, stereo {rates[0]} kbit/s, 5.1 {rates[1]} kbit/s"


def _ladder(ladder: CodecLadder) -> Iterable[str]:
    coding = ladder.coding
    quality = f" {coding.crf}" if coding.rate_control == "capped_crf" else ""
    preset = f", preset {coding.preset}" if coding.preset else ""
    yield f"{coding.codec}: {coding.encoder}{preset}, {coding.rate_control}{quality}"
    for rung in ladder.rungs:
        yield f"  {rung.side:>5}p {rung.bitrate // 1000:>6} kbit/s"
