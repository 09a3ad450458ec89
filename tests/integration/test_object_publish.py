"""Publishing into a storage: a reader sees one version or the other, and a kill leaves no harm."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from adaptation.adapters.object_publish import (
    Plan,
    asset_id_of,
    check_free,
    publish,
    version_folder,
)
from adaptation.adapters.object_store import ObjectStore, Stored
from adaptation.errors import Cancelled, OutputError
from storage_services import S3, Azure

SEGMENTS = 12
FOLDER = "ann/film"


class Counted(ObjectStore):
    """Writes down which files are sent."""

    def __init__(self, other: ObjectStore) -> None:
        self.config, self._store = other.config, other._store
        self.sent = list[str]()

    def put_file(self, path: Path, key: str, **more: str) -> Stored:
        self.sent.append(key)
        return super().put_file(path, key, **more)


@pytest.fixture(params=["s3", "azure"])
def store(request: pytest.FixtureRequest) -> Counted:
    service: S3 | Azure = request.getfixturevalue(request.param)
    return Counted(service.store("studio"))


def asset(folder: Path, asset_id: str) -> list[tuple[Path, str]]:
    """An asset's files: manifests that name segments, and segments that name the asset."""
    version = version_folder(asset_id)
    texts = {
        "asset.json": json.dumps({"asset_id": asset_id}),
        "master.m3u8": f"#EXTM3U\n{version}/720p/playlist.m3u8\n",
        "manifest.mpd": f"<MPD><BaseURL>{version}/720p/</BaseURL></MPD>",
        f"{version}/720p/playlist.m3u8": "\n".join(f"{n:05d}.m4s" for n in range(SEGMENTS)),
        **{f"{version}/720p/{n:05d}.m4s": f"{asset_id} {n}" for n in range(SEGMENTS)},
    }
    files = []
    for number, (name, text) in enumerate(texts.items()):
        path = folder / f"{asset_id}-{number}"
        path.write_text(text)
        files.append((path, name))
    return files


def plan(asset_id: str, *replaceable: str, after: int | None = None) -> Plan:
    """On which terms; it is stopped when so many files are there."""
    cancelled = threading.Event()

    def count(done: int, total: int) -> None:
        if done == after:
            raise Cancelled("stop")

    return Plan(
        FOLDER, asset_id, lambda found: found in replaceable, cancelled, count, lambda: None
    )


def there(store: ObjectStore) -> set[str]:
    return {found.key.removeprefix(f"{FOLDER}/") for found in store.objects(FOLDER)}


def below_version(store: ObjectStore) -> dict[str, str]:
    """The etags of all but manifests and record: these are written anew, which Azure counts."""
    found = store.objects(f"{FOLDER}/{version_folder('one')}")
    return {one.key: one.etag for one in found}


def test_an_asset_is_there_whole_and_once_more_changes_nothing(
    store: Counted, tmp_path: Path
) -> None:
    files = asset(tmp_path, "one")

    publish(files, store, plan("one"))
    first = below_version(store)
    publish(files, store, plan("one"))

    assert there(store) == {name for _, name in files}
    assert asset_id_of(store, FOLDER) == "one"
    assert below_version(store) == first
    for path, name in files:
        assert store.read(f"{FOLDER}/{name}")[0] == path.read_bytes()
    assert len(store.sent) == SEGMENTS + 1, "what is there already is not sent again"
    assert store.sent[-1].endswith("playlist.m3u8"), "media come first"


@pytest.mark.parametrize("after", [1, SEGMENTS, SEGMENTS + 1])
def test_a_killed_publication_goes_on_and_shows_nothing_before(
    store: Counted, tmp_path: Path, after: int
) -> None:
    files = asset(tmp_path, "one")

    with pytest.raises(Cancelled):
        publish(files, store, plan("one", after=after))
    assert not {"master.m3u8", "manifest.mpd", "asset.json"} & there(store)
    publish(files, store, plan("one"))

    assert there(store) == {name for _, name in files}
    assert sorted(set(store.sent)) == sorted(store.sent), "nothing was sent twice"


def test_whoever_reads_while_an_asset_is_replaced_finds_all_that_is_named(
    store: Counted, tmp_path: Path
) -> None:
    publish(asset(tmp_path, "one"), store, plan("one"))
    seen, words = set[str](), (asset(tmp_path, "two"), store, plan("two", "one"))
    replacing = threading.Thread(target=publish, args=words)
    replacing.start()
    while replacing.is_alive():
        master = store.read(f"{FOLDER}/master.m3u8")[0]
        version = master.decode().splitlines()[1].partition("/")[0]
        whole = len([key for key in there(store) if key.startswith(f"{version}/")])
        if store.read(f"{FOLDER}/master.m3u8")[0] == master:
            assert whole == SEGMENTS + 1
            seen.add(version)
    replacing.join()

    assert version_folder("one") in seen
    assert there(store) == {name for _, name in asset(tmp_path, "two")}, "the old one is gone"


def test_another_asset_or_what_is_none_is_not_replaced(store: Counted, tmp_path: Path) -> None:
    publish(asset(tmp_path, "one"), store, plan("one"))
    before = store.objects(FOLDER)

    with pytest.raises(OutputError) as at_first:
        check_free(store, plan("two"))
    with pytest.raises(OutputError) as at_last:
        publish(asset(tmp_path, "two"), store, plan("two", "three"))
    assert at_first.value.code == at_last.value.code == "output_exists"
    assert store.objects(FOLDER) == before

    store.delete_prefix(FOLDER)
    store.put_bytes(b"#EXTM3U\nsegment.ts\n", f"{FOLDER}/master.m3u8")
    with pytest.raises(OutputError) as foreign:
        check_free(store, plan("two", "one"))
    assert foreign.value.code == "output_exists"


def test_of_two_who_publish_at_once_one_wins_and_the_other_takes_its_files_away(
    store: Counted, tmp_path: Path
) -> None:
    mine = plan("two")

    def meanwhile() -> None:
        publish(asset(tmp_path, "one"), store, plan("one"))

    with pytest.raises(OutputError) as error:
        publish(
            asset(tmp_path, "two"),
            store,
            Plan(FOLDER, "two", mine.may_replace, mine.cancelled, mine.on_progress, meanwhile),
        )

    assert error.value.code == "storage_conflict"
    assert there(store) == {name for _, name in asset(tmp_path, "one")}
