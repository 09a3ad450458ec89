"""Bad input, one by one, through the command itself: a clear error, a remedy, and nothing left."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import clips
import disks
import fault_server
from command_line import Ended, here
from fault_server import FaultServer, Resource

RUNG = ("--rendition", "90:100")
ONE_TRY = {"ADAPTATION_RETRY_LIMIT": "1"}
Maker = Callable[[Path], Path]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A web server on the loopback that misbehaves as it is told."""
    with fault_server.running() as running:
        yield running


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the asset would go: a folder that does not exist, in one that holds nothing else."""
    folder = tmp_path / "assets" / "asset"
    folder.parent.mkdir()
    return folder


def encode(source: object, output: Path, *words: str, **environment: str) -> Ended:
    return here("encode", source, output, *RUNG, *words, **ONE_TRY, **environment)


def refused(source: object, output: Path, *words: str) -> Ended:
    """The same for what is refused before anything runs."""
    return here("encode", source, output, *RUNG, *words)


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too, with what they hold."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def assert_explained(ended: Ended, status: int, code: str) -> None:
    assert (ended.status, ended.code) == (status, code), ended.err
    assert re.search(r"^error: \S", ended.err, re.MULTILINE)
    assert ended.hint
    assert ended.out == ""
    assert "Traceback" not in ended.err


def assert_nothing_left(home: Path, output: Path) -> None:
    """No asset, no staging folder beside it, no work; conftest looks for processes and scratch."""
    assert list(output.parent.iterdir()) == []
    left = [*home.glob("work/jobs/*"), *home.glob("scratch/*"), *home.glob("downloads/*")]
    assert left == []


def cut_fragmented(folder: Path) -> Path:
    return clips.cut(clips.make_fragmented(folder))


def cut_matroska(folder: Path) -> Path:
    return clips.cut(clips.make_matroska(folder))


def cut_mp4(folder: Path) -> Path:
    return clips.cut(clips.make_plain(folder))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (clips.make_text, "source_not_media"),
        (clips.make_html, "source_not_media"),
        (clips.make_empty, "source_empty"),
        (clips.make_noise, "source_unreadable"),
        (cut_mp4, "source_truncated"),
        (cut_matroska, "source_truncated"),
        (cut_fragmented, "source_truncated"),
        (clips.make_sound_only, "source_no_video"),
        (clips.make_cover_only, "source_no_video"),
    ],
)
def test_what_is_no_whole_film_is_refused(
    make: Maker, code: str, tmp_path: Path, home: Path, output: Path
) -> None:
    assert_explained(encode(make(tmp_path), output), 1, code)
    assert_nothing_left(home, output)


def test_a_source_that_is_not_there_is_refused(tmp_path: Path, home: Path, output: Path) -> None:
    assert_explained(refused(tmp_path / "nowhere.mp4", output), 2, "source_missing")
    told = refused(f"file://{tmp_path}", output, "--json")
    assert told.status == 2
    assert [event["error"]["code"] for event in told.documents] == ["source_missing"]
    assert_nothing_left(home, output)


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (clips.make_silent, [160, 90]),
        (clips.make_odd_size, [120, 90]),
        (clips.make_rotated, [50, 90]),
    ],
)
def test_an_unusual_film_is_no_bad_one(
    make: Maker, size: list[int], tmp_path: Path, output: Path
) -> None:
    ended = encode(make(tmp_path), output)
    assert (ended.status, ended.last_line) == (0, str(output))
    record: dict[str, Any] = json.loads((output / "asset.json").read_text())
    assert [record["tracks"][0]["width"], record["tracks"][0]["height"]] == size


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--rendition", "720:3000:vp8"), "rendition_invalid"),
        (("--rendition", "721:3000"), "rendition_invalid"),
        (("--segment-seconds", "0"), "parameter_invalid"),
        (("--preset", "warp"), "parameter_invalid"),
        (("--metadata", "{"), "metadata_invalid"),
    ],
)
def test_a_bad_option_is_refused_before_anything_is_stored(
    words: tuple[str, ...], code: str, plain: Path, home: Path, output: Path
) -> None:
    assert_explained(refused(plain, output, *words), 2, code)
    assert_nothing_left(home, output)


def test_an_address_without_a_film_is_refused(
    server: FaultServer, home: Path, output: Path
) -> None:
    missing = f"http://127.0.0.1:{server.server_port}/nowhere.mp4"
    assert_explained(encode(missing, output), 1, "source_not_found")
    looped = server.redirect("/loop.mp4", "/loop.mp4")
    assert_explained(encode(looped, output), 1, "source_redirects")
    page = server.add("/page.mp4", Resource(b"<!DOCTYPE html><p>Log in", content_type="text/html"))
    assert_explained(encode(page, output), 1, "source_is_web_page")
    assert_explained(refused("ftp://127.0.0.1/a.mp4", output), 2, "source_scheme")
    assert_nothing_left(home, output)


def test_a_download_that_is_always_cut_is_no_film(
    server: FaultServer, plain: Path, home: Path, output: Path
) -> None:
    body = plain.read_bytes()
    cuts = [len(body) // 3] * 50
    url = server.add("/cut.mp4", Resource(body, ranges=False, cuts=cuts))
    ended = encode(url, output)
    assert_explained(ended, 1, "fetch_incomplete")
    # Another try may succeed: what is there is kept for it until somebody gives it up.
    assert "or drop it: adaptation cancel 1" in ended.err
    assert here("cancel", 1).status == 0
    assert_nothing_left(home, output)


def test_a_cut_that_no_length_betrays_is_found_in_the_film(
    server: FaultServer, plain: Path, home: Path, output: Path
) -> None:
    body = plain.read_bytes()
    url = server.add("/cut.mp4", Resource(body, framing="close", cuts=[len(body) // 2]))
    assert_explained(encode(url, output), 1, "source_truncated")
    assert_nothing_left(home, output)


def test_what_is_in_the_way_stays_as_it_is(
    plain: Path, home: Path, output: Path, tmp_path: Path
) -> None:
    output.mkdir()
    (output / "thesis.txt").write_text("the only copy")
    for words in ((), ("--overwrite",)):
        assert_explained(refused(plain, output, *words), 2, "output_exists")
    (output / "asset.json").write_text('{"asset_id": "another"}')
    assert_explained(refused(plain, output), 2, "output_exists")
    assert files(output.parent) == {
        "asset/thesis.txt": b"the only copy",
        "asset/asset.json": b'{"asset_id": "another"}',
    }
    assert_explained(refused(plain, output / "thesis.txt"), 2, "output_is_file")
    assert not list(home.glob("work/jobs/*"))


def test_an_output_that_cannot_be_written_is_refused(plain: Path, home: Path, output: Path) -> None:
    with disks.mounted(output.parent / "disk", "ro") as disk:
        assert_explained(refused(plain, disk / "asset"), 2, "output_unwritable")
        assert list(disk.iterdir()) == []
    assert not list(home.glob("work/jobs/*"))


def test_a_full_output_is_an_error_and_the_work_is_kept_for_a_larger_one(
    plain: Path, output: Path
) -> None:
    with disks.mounted(output.parent / "disk", "size=32k") as disk:
        assert_explained(encode(plain, disk / "asset"), 1, "output_full")
        assert list(disk.iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        again = encode(plain, disk / "asset")
        assert (again.status, again.last_line) == (0, str(disk / "asset"))
        assert "Going on with job 1: 2 of 2 tracks are done" in again.err
