"""What the command line's options become."""

from __future__ import annotations

from pathlib import Path

import pytest

from adaptation.cli.output import clock, percent
from adaptation.cli.request import Request
from adaptation.errors import ParameterError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("720:3000", {"height": 720, "bitrate": 3000}),
        ("720:3000:hevc", {"height": 720, "bitrate": 3000, "codec": "hevc"}),
        ("hd:720:3000", {"name": "hd", "height": 720, "bitrate": 3000}),
        ("720:720:3000", {"name": "720", "height": 720, "bitrate": 3000}),
        ("hd:720:3000:hevc", {"name": "hd", "height": 720, "bitrate": 3000, "codec": "hevc"}),
        ("-1:3000", {"height": "-1", "bitrate": 3000}),
    ],
)
def test_a_rendition_is_read(text: str, expected: dict[str, object]) -> None:
    assert Request(rendition=(text,)).parameters("a.mp4", None)["renditions"] == [expected]


@pytest.mark.parametrize("text", ["", "720", "a:b:c:d:e"])
def test_a_rendition_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Request(rendition=(text,)).parameters("a.mp4", None)
    assert caught.value.code == "rendition_invalid"


def test_without_renditions_the_workflow_chooses() -> None:
    assert "renditions" not in Request().parameters("a.mp4", None)


def test_the_output_is_of_the_folder_the_command_was_given_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("out", "./x/../out", str(tmp_path / "out")):
        assert Request().parameters("a.mp4", name)["output_folder"] == str(tmp_path / "out")


def test_an_output_without_a_name_is_refused() -> None:
    with pytest.raises(ParameterError):
        Request().parameters("a.mp4", "")


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_metadata_is_a_json_object(text: str) -> None:
    assert Request(metadata='{"a": 1}').parameters("a", None)["metadata"] == {"a": 1}
    with pytest.raises(ParameterError) as caught:
        Request(metadata=text).parameters("a.mp4", None)
    assert caught.value.code == "metadata_invalid"


def test_times_and_shares_are_written_for_people() -> None:
    assert [clock(seconds) for seconds in (0, 12.4, 75, 3661)] == [
        "0:00",
        "0:12",
        "1:15",
        "1:01:01",
    ]
    assert percent(0.074) == "  7 %"
