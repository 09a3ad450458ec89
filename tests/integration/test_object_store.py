"""A storage service as tasks use it: whole objects, resumed downloads, writers that do not race."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx2
import obstore
import pytest

from adaptation.adapters.addresses import PUBLIC_ONLY
from adaptation.adapters.object_check import try_out
from adaptation.adapters.object_store import PIECE_BYTES, ObjectStore
from adaptation.adapters.storage_config import StorageConfig
from adaptation.errors import (
    AdaptationError,
    Cancelled,
    OutputError,
    ParameterError,
    SettingsError,
    SourceError,
    Transient,
)
from services import HERE
from storage_services import S3

LARGE = bytes(range(256)) * (2 * PIECE_BYTES // 256 + 4)
"""A little more than two pieces."""


@pytest.fixture(params=["s3", "s3 studio/films", "azure studio"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """A whole bucket, and folders in buckets of both kinds."""
    service, _, prefix = request.param.partition(" ")
    opened: ObjectStore = request.getfixturevalue(service).store(prefix)
    return opened


def file_with(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


def code_of(error: pytest.ExceptionInfo[AdaptationError]) -> str:
    return error.value.code


@pytest.mark.parametrize("content", [b"", b"film", LARGE], ids=["empty", "small", "parts"])
def test_what_is_stored_comes_back_with_its_digest(
    store: ObjectStore, tmp_path: Path, content: bytes
) -> None:
    put = store.put_file(file_with(tmp_path, content), "a/film.mp4", content_type="video/mp4")

    store.get_file("a/film.mp4", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert store.facts("a/film.mp4").sha256 == put.sha256 == hashlib.sha256(content).hexdigest()
    assert [path.name for path in tmp_path.iterdir() if ".part" in path.name] == []


@pytest.mark.parametrize("content", [b"film", LARGE], ids=["small", "parts"])
def test_whoever_fetches_it_from_the_service_is_told_its_type(
    s3: S3, tmp_path: Path, content: bytes
) -> None:
    store = s3.store()
    store.put_file(file_with(tmp_path, content), "a.mp4", content_type="video/mp4")

    url = obstore.sign(store._store, "HEAD", "a.mp4", timedelta(minutes=1))
    seen = httpx2.head(url, trust_env=False)

    assert (seen.status_code, seen.headers["content-type"]) == (200, "video/mp4")
    assert int(seen.headers["content-length"]) == len(content)


def test_a_broken_download_goes_on_where_it_was(store: ObjectStore, tmp_path: Path) -> None:
    store.put_file(file_with(tmp_path, LARGE), "film.mp4")
    stop, told = threading.Event(), list[int]()

    with pytest.raises(Cancelled):
        store.get_file(
            "film.mp4", tmp_path / "back", cancelled=stop, on_progress=lambda *_: stop.set()
        )
    assert not (tmp_path / "back").exists()
    store.get_file("film.mp4", tmp_path / "back", on_progress=lambda done, _: told.append(done))

    assert told == [2 * PIECE_BYTES, len(LARGE)]
    assert (tmp_path / "back").read_bytes() == LARGE


def test_an_object_that_is_replaced_meanwhile_is_never_mixed(
    store: ObjectStore, tmp_path: Path
) -> None:
    store.put_file(file_with(tmp_path, LARGE), "film.mp4")

    def put_another(done: int, total: int) -> None:
        store.put_file(file_with(tmp_path, LARGE[::-1]), "film.mp4")

    with pytest.raises(SourceError) as error:
        store.get_file("film.mp4", tmp_path / "back", on_progress=put_another)
    assert code_of(error) == "source_changing"
    store.get_file("film.mp4", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == LARGE[::-1]


def test_bytes_that_are_not_those_that_were_stored_do_not_appear(s3: S3, tmp_path: Path) -> None:
    store = s3.store()
    url = f"{s3.url}/{store.config.bucket}/film.mp4"
    noted = {"x-amz-meta-sha256": "0" * 64}
    httpx2.put(url, content=b"film", headers=noted, trust_env=False).raise_for_status()

    with pytest.raises(Transient) as error:
        store.get_file("film.mp4", tmp_path / "back")
    assert code_of(error) == "storage_damaged"
    assert list(tmp_path.iterdir()) == []


def test_of_two_writers_who_believe_the_same_one_wins(store: ObjectStore) -> None:
    store.put_bytes(b"first", "asset.json")
    etag = store.facts("asset.json").etag

    with pytest.raises(OutputError) as none_there:
        store.put_bytes(b"second", "asset.json")
    store.put_bytes(b"third", "asset.json", replacing=etag)
    with pytest.raises(OutputError) as still_first:
        store.put_bytes(b"fourth", "asset.json", replacing=etag)

    assert code_of(none_there) == code_of(still_first) == "storage_conflict"
    assert store.read("asset.json")[0] == b"third"


def test_a_folder_is_listed_and_deleted_without_its_neighbours(store: ObjectStore) -> None:
    for key in ("a/b/1", "a/b/c/2", "a/bc/3", "d"):
        store.put_bytes(b"x", key)

    assert [found.key for found in store.objects("a/b")] == ["a/b/1", "a/b/c/2"]
    assert [found.key for found in store.objects("")] == ["a/b/1", "a/b/c/2", "a/bc/3", "d"]
    store.delete_prefix("a/b")
    store.delete_prefix("a/b")
    store.delete(["never/there"])
    assert [found.key for found in store.objects("")] == ["a/bc/3", "d"]


def test_a_service_that_works_passes_the_check_and_keeps_nothing(store: ObjectStore) -> None:
    assert [(step.name, step.error) for step in try_out(store)] == [
        (name, None) for name in ("write", "keep", "read", "list", "delete")
    ]
    assert store.objects("") == []


def test_what_is_not_there_is_said_so(s3: S3, tmp_path: Path) -> None:
    store = s3.store()
    elsewhere = ObjectStore(replace(store.config, bucket="no-such-bucket"), HERE)

    for broken in (
        lambda: store.get_file("film.mp4", tmp_path / "back"),
        lambda: store.read("film.mp4"),
        lambda: elsewhere.put_file(file_with(tmp_path, b"x"), "x"),
        lambda: elsewhere.objects(""),
    ):
        with pytest.raises(SourceError) as error:
            broken()
        assert code_of(error) == "storage_not_found"


class Refusal(BaseHTTPRequestHandler):
    """Lets nobody in, as S3 says it, and repeats what it was told."""

    def do_PUT(self) -> None:
        said = f"<Error><Code>AccessDenied</Code><Message>{self.headers['Authorization']} "
        body = f"{said} s3cr3t-of-reader</Message></Error>".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def test_a_refusal_names_the_storage_and_no_secret(tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = _config(f"http://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(SettingsError, match="films") as error:
            ObjectStore(config, HERE).put_file(file_with(tmp_path, b"x"), "x")
        (tried,) = try_out(ObjectStore(config, HERE))
    finally:
        server.shutdown()
        server.server_close()

    assert code_of(error) == "storage_forbidden"
    assert config.secret_key not in str(error.value)
    assert config.secret_key not in repr(config)
    assert (tried.name, tried.error and tried.error.code) == ("write", "storage_forbidden")


def test_a_service_that_is_away_is_a_reason_to_try_again(tmp_path: Path) -> None:
    with pytest.raises(Transient) as error:
        ObjectStore(_config("http://127.0.0.1:1"), HERE).objects("")
    assert code_of(error) == "storage_unreachable"
    with pytest.raises(Transient) as nowhere:
        ObjectStore(_config("http://no-such-host.invalid"), HERE)
    assert code_of(nowhere) == "storage_unreachable"


def test_an_end_point_inside_is_reached_only_where_that_is_said() -> None:
    config = _config("http://127.0.0.1:1")

    with pytest.raises(SourceError) as error:
        ObjectStore(config, PUBLIC_ONLY)
    assert code_of(error) == "address_forbidden"
    assert ObjectStore(replace(config, private=True), PUBLIC_ONLY)
    assert ObjectStore(replace(config, endpoint=""), PUBLIC_ONLY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "local"},
        {"name": "a/b"},
        {"kind": "ftp"},
        {"bucket": "x"},
        {"bucket": "films/2026"},
        {"region": "eu/../"},
        {"endpoint": "ftp://example.org"},
        {"endpoint": "https://user:word@example.org"},
        {"secret_key": ""},
        {"account": ""},
        {"kind": "gcs"},
    ],
)
def test_what_cannot_be_a_storage_is_refused(wrong: dict[str, str]) -> None:
    config = _config("https://example.org")
    config.check()

    with pytest.raises(ParameterError) as error:
        replace(config, **wrong).check()  # type: ignore[arg-type]
    assert code_of(error) == "storage_invalid"


def _config(endpoint: str) -> StorageConfig:
    return StorageConfig(
        "films", "S3", "bucket", "", endpoint, account="reader", secret_key="s3cr3t-of-reader"
    )


def test_parts_of_what_was_listed_are_read_until_it_changes(store: ObjectStore) -> None:
    store.put_bytes(b"0123456789", "a/film.mp4")
    (found,) = store.objects("a")

    assert store.read_part(found, 2, 5) == b"234"
    assert store.read_part(found, 9, 10) == b"9"
    assert store.read_part(found, 10, 10) == b""
    store.put_bytes(b"9876543210", "a/film.mp4", replacing=store.facts("a/film.mp4").etag)
    with pytest.raises(SourceError) as error:
        store.read_part(found, 2, 5)
    assert code_of(error) == "source_changing"


def test_the_storage_itself_copies_an_object_with_its_digest(
    store: ObjectStore, tmp_path: Path
) -> None:
    put = store.put_file(file_with(tmp_path, b"film"), "a/1.m4s", content_type="video/mp4")

    store.copy("a/1.m4s", "b/c/2.m4s")

    assert store.read("b/c/2.m4s")[0] == b"film"
    assert store.facts("b/c/2.m4s").sha256 == put.sha256
    with pytest.raises(SourceError) as error:
        store.copy("a/none", "b/none")
    assert code_of(error) == "storage_not_found"
