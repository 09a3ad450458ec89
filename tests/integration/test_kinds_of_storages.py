"""Assets go from Azure to S3 and back, and on each way only what is new is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import clips
import judges
from adaptation.adapters.object_store import ObjectStore
from storage_services import S3, Azure
from whole_jobs import Studio, a_studio


@pytest.fixture
def studio(
    home: Path, tmp_path_factory: pytest.TempPathFactory, s3: S3, azure: Azure
) -> Iterator[Studio]:
    """A service whose clients have the storages `blob` in Azure and `bucket` in S3."""
    with a_studio(tmp_path_factory.mktemp("studio")) as found:
        found.deployment.store.add_storage(azure.config("blob"))
        found.deployment.store.add_storage(s3.config("bucket"))
        yield found


def fetched(store: ObjectStore, folder: Path) -> set[str]:
    """Bring the asset `film` of the client to this machine; gives the names of its files."""
    found = store.objects("studio/film")
    for one in found:
        store.get_file(one.key, folder / one.key.removeprefix("studio/film/"))
    return {one.key.removeprefix("studio/film/") for one in found}


def test_an_asset_is_made_of_a_blob_in_a_bucket_and_searchable_as_blobs(
    studio: Studio, tmp_path: Path
) -> None:
    blob, bucket = (studio.deployment.storage(name) for name in ("blob", "bucket"))
    blob.put_file(clips.make_plain(tmp_path), "studio/in/film.mp4")

    made = studio.done(
        "vodstream",
        source_folder="in",
        output_folder="film",
        source_storage="blob",
        destination_storage="bucket",
    )
    back = studio.done(
        "trickplay", source_folder="film", source_storage="bucket", destination_storage="blob"
    )

    for told, store, name in ((made, bucket, "bucket"), (back, blob, "blob")):
        place, folder = f"storage://{name}/studio/film", tmp_path / name
        assert told["message"] == f"{place}/master.m3u8"
        assert set(told["files"]) == {f"{place}/{one}" for one in fetched(store, folder)}
        streams, said = judges.decode(folder / "master.m3u8")
        assert said == ""
        assert len(streams[0].starts) == 30
    assert not list((tmp_path / "bucket").rglob("iframes.m3u8"))
    assert list((tmp_path / "blob").rglob("iframes.m3u8"))
    media = [set(judges.media_digests(tmp_path / name).values()) for name in ("bucket", "blob")]
    assert media[0] < media[1], "all that was there is there as it was"
