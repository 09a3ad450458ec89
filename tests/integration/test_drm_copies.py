"""Copies of an asset: whole segments in AES-128, several keys, and what is never made twice."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import m3u8  # type: ignore[import-untyped]
import pytest
from lxml import etree

import judges
from adaptation.adapters import packager, publish, storage
from adaptation.media.cpix import ContentKey, Document, DrmSystem, Filter, Rule, cpix_text
from adaptation.media.protection import SYSTEMS
from adaptation.workflows import protecting
from drm_kit import (
    KEYS,
    PICTURE,
    SOUND,
    TRACKS,
    frames,
    joined,
    key_of,
    made_asset,
    manifests_lead_to,
    media_inodes,
    one_file_each,
    switching,
)

CONTENT_KEYS = [
    {"key_id": PICTURE, "key": KEYS[PICTURE]},
    {"key_id": SOUND, "key": KEYS[SOUND], "label": "AUDIO"},
]
URI = "https://keys.example.org/{content_id}/{key_id}"
AES = {"content_keys": CONTENT_KEYS, "hls_key_uri": URI, "content_id": "film 42"}
Switch = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def original(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_asset(tmp_path_factory.mktemp("copies"))


@pytest.fixture
def film(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "film"))


@pytest.fixture
def switch(home: Path, film: Path) -> Iterator[Switch]:
    with switching(film) as switched:
        yield switched


def opened(content: bytes, key: str, iv: str) -> subprocess.CompletedProcess[bytes]:
    """What OpenSSL makes of a segment."""
    words = ["openssl", "enc", "-d", "-aes-128-cbc", "-K", key, "-iv", iv]
    return subprocess.run(words, input=content, capture_output=True, check=False, timeout=60)


def test_openssl_opens_whole_segments_with_their_key_alone(
    switch: Switch, film: Path, original: Path
) -> None:
    assert switch("aes", **AES) == {}
    for track in TRACKS:
        folder = film / "aes128" / track
        assert (folder / "init.mp4").read_bytes() == (original / track / "init.mp4").read_bytes()
        text = (folder / "playlist.m3u8").read_text()
        assert text.index("#EXT-X-MAP") < text.index("#EXT-X-KEY"), "the init segment is clear"
        playlist = m3u8.loads(text)
        for number, segment in enumerate(playlist.segments, start=playlist.media_sequence):
            kid = SOUND if track.startswith("audio") else PICTURE
            assert segment.key.method == "AES-128"
            assert segment.key.uri == f"https://keys.example.org/film%2042/{kid}"
            content, iv = (folder / segment.uri).read_bytes(), f"{number:032x}"
            clear = (original / track / segment.uri).read_bytes()
            assert opened(content, key_of(track), iv).stdout == clear
            assert opened(content, "00" * 16, iv).stdout != clear


def test_nothing_leads_to_clear_media_while_hls_is_encrypted(switch: Switch, film: Path) -> None:
    assert switch("aes", **AES) == {}
    assert not (film / "manifest.mpd").exists()
    record = json.loads((film / "asset.json").read_text())
    assert record["manifests"] == {"hls": "master.m3u8"}
    assert set(re.findall(r"(\w+)/\w+/playlist", (film / "master.m3u8").read_text())) == {"aes128"}
    assert switch() == {}
    manifests_lead_to(film, "clear")
    assert json.loads((film / "asset.json").read_text())["manifests"]["dash"] == "manifest.mpd"


def test_beside_aes_dash_has_the_copy_of_the_other_systems(
    switch: Switch, film: Path, original: Path, tmp_path: Path
) -> None:
    assert switch("clear", "aes", "widevine", "cenc", **AES) == {}
    assert set(re.findall(r"(\w+)/\w+/playlist", (film / "master.m3u8").read_text())) == {"aes128"}
    manifest = (film / "manifest.mpd").read_text()
    assert set(re.findall(r'initialization="(\w+)/', manifest)) == {"cenc"}
    for track in TRACKS:
        encrypted = joined(film / "cenc" / track)
        clear = frames(joined(original / track), tmp_path)
        assert frames(encrypted, tmp_path, key_of(track)) == clear
    media = judges.media_digests(film)
    assert switch("aes") == {}, "the copy and where its keys are stay known"
    assert not (film / "manifest.mpd").exists()
    assert judges.media_digests(film) == media


def test_copies_of_tracks_in_one_file_are_one_file_each(
    home: Path, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protecting, "BATCH_BYTES", 1)  # each segment by itself
    film = one_file_each(original, tmp_path / "whole")
    with switching(film) as switch:
        assert switch("aes", "widevine", **AES) == {}
        first = {track: one_file(film / "cenc" / track) for track in TRACKS}
        for track in TRACKS:
            clear, file = joined(original / track), first[track].read_bytes()
            opens = frames(file, tmp_path, key_of(track))
            assert opens == frames(clear, tmp_path)
            # ISO/IEC 23001-7 §7.2: flags, count, then the first sample's IV.
            counted = re.findall(rb"senc.{8}(.{8})", file, re.DOTALL)
            assert len(counted) == len(set(counted)) == len(segments_of(film / "cenc" / track))
            assert b"".join(opened_parts(film / "aes128" / track, track)) == clear

        assert switch("playready", content_keys=[]) == {}
        assert one_file(film / "cenc" / "180p") != first["180p"], "it begins otherwise"
        for track in TRACKS:
            told = one_file(film / "cenc" / track).read_bytes()
            assert frames(told, tmp_path, key_of(track)) == frames(
                joined(original / track), tmp_path
            )
        inodes = {path: path.stat().st_ino for path in film.rglob("media_*")}
        assert switch() == {}
        assert switch("playready", content_keys=[]) == {}
        assert {path: path.stat().st_ino for path in film.rglob("media_*")} == inodes


def one_file(folder: Path) -> Path:
    """The file of a track, beside which is nothing but its playlist."""
    (file,) = set(folder.iterdir()) - {folder / "playlist.m3u8"}
    return file


def segments_of(folder: Path) -> list[tuple[int, int]]:
    """Length and offset of each segment, as others read a playlist."""
    ranges = (one.byterange for one in m3u8.load(str(folder / "playlist.m3u8")).segments)
    return [(int(length), int(offset)) for length, offset in (one.split("@") for one in ranges)]


def opened_parts(folder: Path, track: str) -> Iterator[bytes]:
    """The init segment, and each segment as `openssl` opens it by its number."""
    file = one_file(folder).read_bytes()
    init = m3u8.load(str(folder / "playlist.m3u8")).segments[0].init_section.byterange
    yield file[: int(init.partition("@")[0])]
    for number, (length, offset) in enumerate(segments_of(folder), start=1):
        yield opened(file[offset : offset + length], key_of(track), f"{number:032x}").stdout


def test_a_copy_may_be_made_before_it_is_shown(switch: Switch, film: Path) -> None:
    assert switch("widevine", content_keys=CONTENT_KEYS, enable_drm=False) == {}
    manifests_lead_to(film, "clear")
    inodes = media_inodes(film)
    assert switch("widevine", encrypted=True) == {}
    manifests_lead_to(film, "cenc")
    assert media_inodes(film) == inodes


def test_aes_needs_an_address_of_its_keys(switch: Switch, film: Path) -> None:
    assert switch("aes", content_keys=CONTENT_KEYS)["code"] == "key_uri_missing"
    assert not (film / "aes128").exists()


KIDS = {name: bytes((number,)) * 16 for number, name in enumerate(("90p", "180p", "audio_und"), 1)}


def document_of_three(scheme_uri: str = "") -> bytes:
    """A key each for the small picture, the large one and the sound, by usage rules."""
    keys = tuple(ContentKey(kid, kid[::-1][:8] + b"key-bits") for kid in KIDS.values())
    rules = (
        Rule(KIDS["90p"], "", (Filter("VideoFilter", (("maxPixels", 20_000),)),)),
        Rule(KIDS["180p"], "", (Filter("VideoFilter", (("minPixels", 20_001),)),)),
        Rule(KIDS["audio_und"], "AUDIO", (Filter("AudioFilter"),)),
    )
    systems = tuple(
        DrmSystem(kid, SYSTEMS["fairplay"], hls_uri=f"{scheme_uri}{name}")
        for name, kid in KIDS.items()
        if scheme_uri
    )
    return cpix_text(Document(keys, systems, rules))


@pytest.mark.parametrize(
    ("scheme", "systems"), [("cenc", ["cenc"]), ("cbcs", ["fairplay", "widevine"])]
)
@pytest.mark.parametrize("told", ["", "skd://studio/"], ids=["by default", "by the document"])
def test_each_track_has_its_own_key(
    switch: Switch,
    film: Path,
    original: Path,
    tmp_path: Path,
    scheme: str,
    systems: Sequence[str],
    told: str,
) -> None:
    keys = tmp_path / "keys.xml"
    keys.write_bytes(document_of_three(told))
    assert switch(*systems, cpix=True, download_cpix=str(keys)) == {}
    for name, kid in KIDS.items():
        encrypted, key = joined(film / scheme / name), (kid[:8] + b"key-bits").hex()
        assert frames(encrypted, tmp_path, key) == frames(joined(original / name), tmp_path)
        text = (film / scheme / name / "playlist.m3u8").read_text()
        if scheme == "cbcs":
            assert f'URI="{f"{told}{name}" if told else f"skd://{kid.hex()}"}"' in text
    space = "{urn:mpeg:cenc:2013}default_KID"
    manifest = etree.parse(film / "manifest.mpd")
    named = {
        one.get(space) for one in manifest.iter("{urn:mpeg:dash:schema:mpd:2011}ContentProtection")
    }
    assert named - {None} == {str(UUID(bytes=kid)) for kid in KIDS.values()}


def test_a_copy_that_opens_with_another_key_is_not_published(
    switch: Switch, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packager encrypts by a key with one bit changed, and says that all is well."""
    real = packager.package

    def by_another_key(
        command: Sequence[str], *words: Any, secrets: Sequence[str], **more: Any
    ) -> Any:
        if "--enable_raw_key_encryption" in command:
            secrets = [one.replace(KEYS[SOUND], f"e{KEYS[SOUND][1:]}") for one in secrets]
        return real(command, *words, secrets=secrets, **more)

    before = {path: path.stat().st_ino for path in film.rglob("*")}
    monkeypatch.setattr(protecting, "package", by_another_key)
    error = switch("cenc", content_keys=CONTENT_KEYS)
    assert error["code"] == "output_mismatch"
    assert "audio_und" in error["message"]
    assert {path: path.stat().st_ino for path in film.rglob("*")} == before


def test_another_key_of_the_same_id_makes_the_copy_again(
    switch: Switch, film: Path, original: Path, tmp_path: Path
) -> None:
    assert switch("cenc", content_keys=CONTENT_KEYS) == {}
    sound = media_inodes(film / "cenc" / "audio_und")
    renewed = [{**CONTENT_KEYS[0], "key": "11" * 16}, CONTENT_KEYS[1]]
    assert switch("cenc", content_keys=renewed) == {}
    clear = frames(joined(original / "180p"), tmp_path)
    assert frames(joined(film / "cenc" / "180p"), tmp_path, "11" * 16) == clear
    assert media_inodes(film / "cenc" / "audio_und") == sound, "its key is the same"


class Watched:
    """Notes which files this process opens and what it starts, but for writing them to disk."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.is_on = False
        self.seen = list[str]()
        self._written = storage.sync
        patch.setattr(publish, "sync", self._sync)
        sys.addaudithook(self._note)

    def _sync(self, path: Path) -> None:
        was_on, self.is_on = self.is_on, False
        self._written(path)
        self.is_on = was_on

    def _note(self, event: str, words: tuple[Any, ...]) -> None:
        if self.is_on and event in {"open", "subprocess.Popen", "os.posix_spawn"}:
            self.seen.append(f"{event} {words[0]}")


def test_a_switch_to_a_copy_that_is_there_reads_no_media(
    switch: Switch, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert switch("cenc", content_keys=CONTENT_KEYS) == {}
    before = {path: path.stat() for path in film.rglob("*.m4s")}
    watched = Watched(monkeypatch)
    for drm in ([], ["cenc"], ["widevine"], []):
        watched.is_on = True
        assert switch(*drm) == {}
        watched.is_on = False
    after = {path: path.stat() for path in film.rglob("*.m4s")}
    assert any("asset.json" in one for one in watched.seen), "the hook sees what is read"
    assert [one for one in watched.seen if "m4s" in one or "packager" in one] == []
    assert {path: (one.st_ino, one.st_mtime_ns) for path, one in before.items()} == {
        path: (one.st_ino, one.st_mtime_ns) for path, one in after.items()
    }
