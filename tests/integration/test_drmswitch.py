"""DRM on and off over HTTP: what packager, FFmpeg and a receiver say of the asset."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

import clips
import judges
from adaptation.adapters.packager import INPUT_NAME, package
from adaptation.engine.clients import Role
from adaptation.media.boxes import boxes, need
from adaptation.media.cpix import ContentKey, Document, DrmSystem, Rule, cpix_text
from adaptation.media.encrypted import protected_init
from adaptation.media.package import package_command
from adaptation.media.protection import SYSTEMS as SYSTEM_IDS
from adaptation.media.protection import Protection, Scheme, SystemName, pssh_box
from adaptation.workflows import protecting
from api_kit import Api, Caller
from drm_kit import (
    KEYS,
    PICTURE,
    SOUND,
    frames,
    joined,
    key_of,
    made_asset,
    manifests_lead_to,
    media_inodes,
    place,
    refused,
    switched,
    working_api,
)
from receiver import Receiver, receiving
from services import wait_until

CONTENT_KEYS = [
    {"key_id": PICTURE, "key": KEYS[PICTURE]},
    {"key_id": str(UUID(SOUND)), "key": KEYS[SOUND], "label": "AUDIO"},
]
SYSTEMS: list[SystemName] = ["cenc", "widevine", "playready"]


@pytest.fixture(scope="module")
def original(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_asset(tmp_path_factory.mktemp("drm"))


@pytest.fixture
def api(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A server that works; its local sources lie in `sources`."""
    monkeypatch.setenv("ADAPTATION_SOURCE_ROOT", str(tmp_path / "sources"))
    (tmp_path / "sources").mkdir()
    with working_api() as served:
        yield served


@pytest.fixture
def studio(api: Api, original: Path) -> Caller:
    """A client whose folder holds the asset `film`, and whose defaults hold keys."""
    defaults = {"output_root": "studio", "content_keys": CONTENT_KEYS}
    store = api.deployment.store
    known, key = store.add_client("studio", Role.CLIENT, defaults=defaults)[:2]
    shutil.copytree(original, place(api))
    return Caller(api.url, known.name, key)


@pytest.mark.parametrize(
    ("scheme", "drm"), [("cenc", SYSTEMS), ("cbcs", ["fairplay", *SYSTEMS])], ids=["cenc", "cbcs"]
)
def test_a_client_turns_drm_on_and_off(
    api: Api, studio: Caller, original: Path, tmp_path: Path, scheme: Scheme, drm: list[str]
) -> None:
    tracks = ["180p", "90p", "audio_und"]
    clear = {name: frames(joined(original / name), tmp_path) for name in tracks}
    (place(api) / "posters").mkdir()
    (place(api) / "posters" / "one.jpg").write_bytes(b"of another workflow")
    with receiving(tmp_path / "log") as receiver:
        switched(api, studio, *drm, rest_endpoints=[receiver.url], content_id="film-42")
        told_is_what_is_there(api, receiver, place(api))

    for name in tracks:
        encrypted = joined(place(api) / scheme / name)
        assert frames(encrypted, tmp_path, key_of(name)) == clear[name]
        assert frames(encrypted, tmp_path, "00" * 16) != clear[name]
        assert joined(place(api) / "clear" / name) == joined(original / name)
    manifests_lead_to(place(api), scheme)
    on = judges.media_digests(place(api))

    switched(api, studio)
    manifests_lead_to(place(api), "clear")
    assert judges.media_digests(place(api)) == on
    assert judges.promised_digests(place(api)).items() <= on.items()

    switched(api, studio, *drm)
    manifests_lead_to(place(api), scheme)
    assert judges.media_digests(place(api)) == on
    assert (place(api) / "posters" / "one.jpg").read_bytes() == b"of another workflow"


def told_is_what_is_there(api: Api, receiver: Receiver, folder: Path) -> None:
    assert wait_until(lambda: any("status" in one["json"] for one in receiver.requests()), 20)
    told = [one["json"] for one in receiver.requests()]
    job = next(one for one in told if "status" in one)
    assert (job["status"], job["content_id"]) == ("completed", "film-42")
    assert job["message"] == str(folder / "master.m3u8")
    assert sorted(job["files"]) == sorted(str(one) for one in folder.rglob("*") if one.is_file())
    assert job["metadata"] == {"duration": pytest.approx(2.2)}
    assert {one["task_name"] for one in told if "event" in one} == {"switch_drm"}


def test_keys_are_seen_nowhere(api: Api, studio: Caller, tmp_path: Path) -> None:
    row = switched(api, studio, *SYSTEMS)
    wrong = [{**CONTENT_KEYS[0], "iv": "short"}]
    body = {
        "job": {"workflow": "drmswitch"},
        "parameters": {"folder": "film", "content_keys": wrong},
    }
    answer = studio.refused(400, "POST", "/job", body)
    assert row["parameters"]["content_keys"] == "***"
    job = row["id"]
    planned = studio.call("POST", "/job", {**body, "parameters": {"folder": "film"}}, dry_run=1)
    assert planned.status_code == 200
    shown = [
        planned.text,
        row,
        answer,
        studio.get(f"/logs/{job}", show_all=1),
        studio.get(f"/jobs/{job}/tasks"),
    ]
    home = api.deployment.settings.home
    files = [one.read_bytes() for one in home.rglob("*") if one.is_file()]
    assets = [one.read_bytes() for one in place(api).rglob("*") if one.is_file()]
    for key in KEYS.values():
        assert key not in str(shown)
        assert not any(key.encode() in content for content in [*files, *assets])


def test_keys_come_from_a_cpix_document(
    api: Api, studio: Caller, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protecting, "BATCH_BYTES", 1)  # each segment by itself
    kids = {name: bytes.fromhex(name) for name in KEYS}
    listed = tuple(ContentKey(kids[name], bytes.fromhex(key)) for name, key in KEYS.items())
    rules = (Rule(kids[PICTURE], "VIDEO"), Rule(kids[SOUND], "AUDIO"))
    pssh = pssh_box(SYSTEM_IDS["widevine"], b"what the key server says")
    system = DrmSystem(kids[PICTURE], SYSTEM_IDS["widevine"], pssh)
    document = cpix_text(Document(listed, (system,), rules))
    (tmp_path / "sources" / "keys.xml").write_bytes(document)
    more = {"cpix": True, "download_cpix": "keys.xml", "content_keys": []}
    switched(api, studio, "widevine", **more)
    for name in ("180p", "audio_und"):
        encrypted = joined(place(api) / "cenc" / name)
        assert frames(encrypted, tmp_path, key_of(name)) == frames(
            joined(original / name), tmp_path
        )
    (tmp_path / "sources" / "bad.xml").write_bytes(document.replace(b"PlainValue", b"Value"))
    bad = {**more, "download_cpix": "bad.xml"}
    assert refused(api, studio, "fairplay", **bad)["code"] == "cpix_invalid"
    manifests_lead_to(place(api), "cenc")


def test_other_systems_and_other_keys(api: Api, studio: Caller, tmp_path: Path) -> None:
    switched(api, studio, "widevine")
    before = judges.media_digests(place(api))
    switched(api, studio, "playready", content_keys=[])
    after = judges.media_digests(place(api))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"cenc/{name}/init.mp4" for name in ("180p", "90p", "audio_und")}
    manifest = etree.parse(place(api) / "manifest.mpd")
    marks = manifest.iter("{urn:mpeg:dash:schema:mpd:2011}ContentProtection")
    assert {one.get("schemeIdUri") for one in marks} == {
        "urn:mpeg:dash:mp4protection:2011",
        "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95",
    }
    (place(api) / "cenc" / "180p" / "00001.m4s").unlink()
    switched(api, studio, "playready")
    assert judges.media_digests(place(api)) == after, "what was missing is made again"
    switched(api, studio, "playready", content_keys=[{"key_id": "c3" * 16, "key": "11" * 16}])
    assert frames(joined(place(api) / "cenc" / "90p"), tmp_path, "11" * 16) == frames(
        joined(place(api) / "clear" / "90p"), tmp_path
    )


def test_what_is_made_again_is_the_same(
    api: Api, studio: Caller, original: Path, tmp_path: Path
) -> None:
    first = switched(api, studio, *SYSTEMS)["id"]
    media, inodes = judges.media_digests(place(api)), media_inodes(place(api))
    again = studio.call("POST", f"/jobs/{first}/rerun").json()["id"]
    assert wait_until(lambda: api.deployment.store.job(again).ended, 30)
    assert api.deployment.store.job(again).succeeded
    assert media_inodes(place(api)) == inodes, "nothing was to be made"
    # What a killed attempt leaves: an asset that is not switched yet, and a part of one beside it.
    shutil.rmtree(place(api))
    shutil.copytree(original, place(api))
    left = place(api).with_name(f".film.job{again + 1}.0a.partial")
    shutil.copytree(original, left)
    switched(api, studio, *SYSTEMS)
    assert judges.media_digests(place(api)) == media
    assert [one.name for one in place(api).parent.iterdir()] == ["film"]


def test_nothing_leads_to_clear_pictures_while_drm_is_on(api: Api, studio: Caller) -> None:
    given = {"source_folder": "studio/film", "content_id": "film", "trickplay_thumbnails": False}
    job_id = api.admin.submit("trickplay", given)
    assert wait_until(lambda: api.deployment.store.job(job_id).ended, 30)
    assert api.deployment.store.job(job_id).succeeded, api.deployment.store.job(job_id).error
    clear = [(place(api) / name).read_text() for name in ("master.m3u8", "manifest.mpd")]
    assert all("trick" in text or "I-FRAME" in text for text in clear)

    switched(api, studio, "cenc")
    manifests_lead_to(place(api), "cenc")
    assert {path.name for path in place(api).iterdir() if path.is_dir()} == {"clear", "cenc"}
    switched(api, studio)
    master, manifest = ((place(api) / name).read_text() for name in ("master.m3u8", "manifest.mpd"))
    assert all((place(api) / uri).is_file() for uri in re.findall(r'URI="([^"]+)"', master))
    assert [text.count("I-FRAME") for text in (master, clear[0])] == [2, 2]
    named = re.findall(r'initialization="([^"]+)"', manifest)
    assert len(named) == 4
    assert all((place(api) / name).is_file() for name in named)


REFUSED = {
    "a neighbour's folder": ({"folder": "../other/film"}, "path_outside"),
    "an absolute folder": ({"folder": "/etc"}, "path_outside"),
    "another root": ({"folder": "film", "output_root": "other"}, "path_outside"),
    "a document elsewhere": (
        {"folder": "film", "cpix": True, "download_cpix": "/etc/passwd"},
        "path_outside",
    ),
    "no document": ({"folder": "film", "cpix": True}, "parameter_missing"),
    "no folder": ({}, "parameter_missing"),
    "an unknown system": ({"folder": "film", "drm": ["primetime"]}, "parameter_invalid"),
    "an unknown word": ({"folder": "film", "url": "film"}, "parameter_unknown"),
}


def test_what_cannot_be_is_refused_at_once(api: Api, studio: Caller) -> None:
    for what, (given, code) in REFUSED.items():
        body = {"job": {"workflow": "drmswitch"}, "parameters": given}
        assert studio.refused(400, "POST", "/job", body)["code"] == code, what
    # The client's default keys are no parameter of this one, and do not hinder it.
    body = {"job": {"workflow": "encoding_workflow"}, "parameters": {"url": "film.mp4"}}
    assert studio.call("POST", "/job", body, dry_run=1).json()["code"] == "source_missing"


def test_what_is_no_asset_or_has_no_key_fails_for_good(api: Api, studio: Caller) -> None:
    assert refused(api, studio, "cenc", content_keys=[])["code"] == "content_key_missing"
    only_sound = [CONTENT_KEYS[1]]
    assert refused(api, studio, "cenc", content_keys=only_sound)["code"] == "content_key_missing"
    assert refused(api, studio, "cenc", folder="nothing")["code"] == "asset_missing"
    (place(api) / "leads").symlink_to("/etc/passwd")
    assert refused(api, studio, "cenc")["code"] == "path_outside"
    (place(api) / "leads").unlink()
    (place(api) / "90p" / "00001.m4s").rename(place(api) / "00001.m4s")
    assert refused(api, studio, "cenc")["code"] == "asset_missing"
    (place(api) / "asset.json").write_text("{}")
    assert refused(api, studio, "cenc")["code"] == "asset_damaged"


@pytest.mark.parametrize("scheme", ["cenc", "cbcs"])
@pytest.mark.parametrize(("track", "kind"), [("180p", "video"), ("audio_und", "audio")])
def test_boxes_are_those_that_packager_writes(
    original: Path, tmp_path: Path, scheme: Scheme, track: str, kind: Any
) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(joined(original / track))
    iv = b"i" * 16 if scheme == "cbcs" else b""
    options = ["--enable_raw_key_encryption", "--protection_scheme", scheme]
    options += ["--protection_systems", "CommonSystem,Widevine,PlayReady"]
    secret = [f"--keys=label=:key_id={PICTURE}:key={KEYS[PICTURE]}"]
    secret += [f"--iv={iv.hex()}"] if iv else []
    command = [*package_command(kind, INPUT_NAME, 10.0), *options]
    package(command, source, tmp_path / "made", clips.tools(), secrets=secret)
    theirs = (tmp_path / "made" / "init.mp4").read_bytes()

    protection = Protection(scheme, bytes.fromhex(PICTURE), iv).for_systems(SYSTEMS)
    ours = protected_init((original / track / "init.mp4").read_bytes(), protection)

    assert entry(ours) == entry(theirs)
    assert psshs(ours) == psshs(theirs)


def entry(init: bytes) -> tuple[bytes, bytes]:
    """Kind of the sample entry, and how it says that it is encrypted."""
    media = need(need(need(init, b"moov"), b"trak"), b"mdia")
    kind, body = next(boxes(need(need(need(media, b"minf"), b"stbl"), b"stsd")[8:]))
    return kind, need(body[78 if kind == b"encv" else 28 :], b"sinf")


def psshs(init: bytes) -> set[bytes]:
    """The `pssh` boxes; PlayReady's without its checksum, which takes the key and is optional."""
    found = {body for kind, body in boxes(need(init, b"moov")) if kind == b"pssh"}
    return {without_checksum(one) for one in found}


def without_checksum(pssh: bytes) -> bytes:
    text = pssh[42:].decode("utf-16-le", "replace")
    if "WRMHEADER" not in text:
        return pssh
    return pssh[4:20] + re.sub("<CHECKSUM>.*?</CHECKSUM>", "", text).encode()


def test_a_key_stands_in_no_command(original: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(joined(original / "90p"))
    secret = [f"--keys=label=:key_id={PICTURE}:key={KEYS[PICTURE]}"]
    command = [*package_command("video", INPUT_NAME, 10.0), "--enable_raw_key_encryption"]
    done = package(command, source, tmp_path / "made", clips.tools(), secrets=secret)
    assert KEYS[PICTURE] not in " ".join(done.argv) + done.stderr_tail + done.stdout
    assert not (tmp_path / "made" / "flags").exists()
