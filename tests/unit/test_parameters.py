"""What clients may say of a job, and what those may not that are confined to their own places."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adaptation.adapters.containment import safe_key
from adaptation.engine.graph import lower
from adaptation.errors import ParameterError
from adaptation.workflows.encoding import author
from adaptation.workflows.parameters import check_encoding, confined
from adaptation.workflows.profiles import Profiles
from adaptation.workflows.report import PUBLISHED, published, report

FILM = "https://example.org/film.mp4"


def checked(**more: object) -> dict[str, object]:
    return check_encoding({"url": FILM, **more}, Path("/assets"), Profiles.among(None))


def code_of(call: object, *words: object) -> str:
    with pytest.raises(ParameterError) as error:
        call(*words)  # type: ignore[operator]
    return error.value.code


@given(st.text(max_size=60))
@example("a/../../b")
@example("/etc/passwd")
@example("C:\\Windows")
@example("a/\x00")
@example("\uff41/\uff0e\uff0e/b")
@example("-rf")
@example("aux.txt")
@example("x" * 201)
def test_a_key_never_leaves_its_folder(words: str) -> None:
    try:
        key = safe_key(words, "output_folder")
    except ParameterError:
        return
    path = PurePosixPath(key)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert key.isprintable() or not any(ord(letter) < 32 for letter in key)
    assert all(0 < len(part.encode()) <= 200 and not part.startswith("-") for part in path.parts)
    assert safe_key(key, "output_folder") == key


@pytest.mark.parametrize("words", ["../a", "/a", "a/../b", "C:/a", "\\\\host\\a"])
def test_a_path_that_leaves_is_refused_as_such(words: str) -> None:
    assert code_of(safe_key, words, "output_folder") == "path_outside"


@pytest.mark.parametrize("words", ["", ".", "a/-b", "a.", "con", "ab:c", "a\x01", "é" * 101])
def test_a_name_that_some_system_cannot_have_is_refused(words: str) -> None:
    assert code_of(safe_key, words, "output_folder") == "parameter_invalid"


def test_the_common_parameters_have_the_contracts_defaults() -> None:
    found = checked()

    assert found["content_id"] is None
    assert found["rest_endpoints"] == []
    assert found["custom_data"] is None
    assert found["source_storage"] is None
    assert found["destination_storage"] is None
    assert found["output_root"] is None
    assert found["retries"] == 0


@pytest.mark.parametrize(
    "endpoint", ["ftp://example.org/", "https://", "film", "http://[", "https://x:0/"]
)
def test_an_end_point_that_cannot_be_told_is_refused(endpoint: str) -> None:
    with pytest.raises(ParameterError, match="rest_endpoints"):
        checked(rest_endpoints=[endpoint])


def test_a_storage_that_is_not_configured_is_refused() -> None:
    with pytest.raises(ParameterError) as error:
        checked(destination_storage="S3")
    assert (error.value.code, "local" in error.value.hint) == ("storage_unknown", True)
    assert checked(source_storage="local")["source_storage"] == "local"


def test_more_renditions_or_end_points_than_sense_has_are_refused() -> None:
    with pytest.raises(ParameterError, match="renditions"):
        checked(renditions=[{"height": 180, "bitrate": 300}] * 65)
    with pytest.raises(ParameterError, match="rest_endpoints"):
        checked(rest_endpoints=["https://example.org/"] * 101)


@pytest.mark.parametrize("letter", ["\x00", "\n", "\x1b", "\x7f"])
def test_a_control_character_is_refused(letter: str) -> None:
    with pytest.raises(ParameterError, match="content_id"):
        checked(content_id=f"film{letter}42")
    with pytest.raises(ParameterError, match="rest_endpoints"):
        checked(rest_endpoints=[f"https://example.org/{letter}"])


def test_what_only_callbacks_need_is_not_carried_from_task_to_task() -> None:
    given = checked(custom_data={"a": 1}, rest_endpoints=["https://example.org/"], retries=2)

    first = lower(author(dict(given))).tasks[0].params

    assert first["retries"] == 2
    assert not {"custom_data", "rest_endpoints"} & first.keys()


def test_outputs_lie_under_the_root_that_is_named() -> None:
    assert checked(output_root="studio", output_folder="film")["output_folder"] == (
        "/assets/studio/film"
    )


def test_who_is_confined_writes_below_its_own_root() -> None:
    given_folder = {"url": FILM, "output_folder": "film"}
    assert confined(given_folder, "studio", None) == {**given_folder, "output_root": "studio"}
    inner = {**given_folder, "output_root": "studio/2026"}
    assert confined(inner, "studio", None) == inner
    for outside in ("", "other", "studio2", "studio/../other", "/studio"):
        if outside:
            assert code_of(confined, {**inner, "output_root": outside}, "studio", None) == (
                "path_outside"
            )
    assert code_of(confined, {"url": FILM, "output_folder": "/a"}, "", None) == "path_outside"


def test_who_is_confined_reads_addresses_and_the_folder_of_sources(tmp_path: Path) -> None:
    root = tmp_path / "sources"
    root.mkdir()
    (tmp_path / "secret.mp4").touch()
    (root / "link.mp4").symlink_to(tmp_path / "secret.mp4")

    assert confined({"url": FILM}, "", None) == {"url": FILM}
    assert confined({"url": "a/film.mp4"}, "", root)["url"] == str(root / "a/film.mp4")
    assert confined({"url": str(root / "b.mp4")}, "", root)["url"] == str(root / "b.mp4")
    for url in ("../secret.mp4", "link.mp4", "/etc/passwd", "file:///etc/passwd"):
        assert code_of(confined, {"url": url}, "", root) == "path_outside"
    assert code_of(confined, {"url": "film.mp4"}, "", None) == "path_outside"


def test_what_is_not_text_is_left_to_the_check() -> None:
    assert confined({"url": 7, "output_folder": []}, "", None) == {"url": 7, "output_folder": []}


def test_a_report_names_every_file_of_an_asset() -> None:
    names = ["asset.json", "master.m3u8", "720p/init.mp4", "720p/00000.m4s", "720p/00001.m4s"]

    told = report({"output_folder": "/out/film", PUBLISHED: published(names, 5.28)})

    assert told == {
        "message": "/out/film/master.m3u8",
        "files": [f"/out/film/{name}" for name in names],
        "metadata": {"duration": 5.28},
    }
    assert report({}) == {}
