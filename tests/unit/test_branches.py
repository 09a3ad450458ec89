"""What the tasks of an asset's tracks need of their workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from adaptation.engine.graph import lower
from adaptation.media.chunk import Chunk
from adaptation.media.coding import VideoCoding, usual_coding
from adaptation.media.plan import EncodingPlan
from adaptation.media.profile import CodecLadder, Profile
from adaptation.media.rendition import Rendition
from adaptation.workflows.branches import branches


def planned(codecs: list[str], codings: list[VideoCoding]) -> EncodingPlan:
    """As much of a plan of two chunks as its branches are made of."""
    ladder = tuple(Rendition(name=codec, height=90, bitrate=1, codec=codec) for codec in codecs)
    profile = Profile("any", "", tuple(CodecLadder(coding, ()) for coding in codings), 1, 1)
    known = SimpleNamespace(encoded=ladder, profile=profile)
    return cast(
        "EncodingPlan",
        SimpleNamespace(
            ladder=ladder,
            encoders=vars(EncodingPlan)["encoders"].fget(known),
            chunks=[Chunk(n, 10 * n, 10 * n + 10, None, (10 * n,)) for n in (0, 1)],
            chunk_bytes=lambda _: 7,
            copied=None,
            sounds=(),
        ),
    )


@pytest.mark.parametrize(
    ("codecs", "needs"),
    [
        (["h264"], ()),
        (["h264", "av1"], ("libsvtav1",)),
        (["hevc"], ("hevc_nvenc",)),
    ],
)
def test_a_chunk_needs_the_encoders_of_its_profile_but_what_everybody_has(
    codecs: list[str], needs: tuple[str, ...]
) -> None:
    codings = [usual_coding("h264"), VideoCoding("hevc", "hevc_nvenc", "p5"), usual_coding("av1")]
    plan = lower(branches(planned(codecs, codings), ()))

    chunks = [task for task in plan.tasks if task.name == "encode_chunk"]
    assert [(task.needs, task.scratch_bytes) for task in chunks] == [(needs, 7)] * 2
    assert not any(task.needs for task in plan.tasks if task not in chunks)
