"""The life of an asset: each workflow in turn, from files to nothing, by the Python client.

usage: python life_of_an_asset.py SERVER CLIENT KEYFILE FOLDER FILE [ONLY…]

FOLDER lies among the server's sources, FILE is a film in it. The client has content keys among its
defaults, see docs/workflows/drmswitch.md. ONLY names the workflows that are wanted; none: all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adaptation.client import Client

Step = tuple[str, Mapping[str, Any]]
"""A workflow and its parameters."""


def life(folder: str, film: str) -> Iterator[Step]:
    """What is done to an asset, in order; it lies in the folder `asset` of the client."""
    source = f"{folder}/{film}"
    picture = {"source": source, "output_folder": "pictures"}
    asset = {"source_folder": "asset"}
    yield "encoding_workflow", {"url": source, "output_folder": "ladder"}
    yield "measure_quality", {"url": source, "source_folder": "ladder"}
    yield "vodstream", {"source_folder": folder, "output_folder": "asset"}
    yield "capture_frame", {**picture, "frame_time": 1, "image_filename": "poster.jpg"}
    yield "generate_gif", {**picture, "start_at": 1, "duration": 1, "gif_filename": "film.gif"}
    yield "build_thumbnails", {**picture, "preview_thumbnails_interval": 1}
    yield "trickplay", {**asset, "trickplay_thumbnail_interval": 1}
    said = {"language": "und", "properties": {"track_language": "en", "track_name": "English"}}
    yield "track_properties", {"folder": "asset", "track_properties": {"audio": [said]}}
    yield "createmp4", {**asset, "output_folder": "download"}
    yield "drmswitch", {"folder": "asset", "drm": ["widevine", "playready"]}
    yield "drmswitch", {"folder": "asset", "drm": []}
    yield "asset_delete", {"files": ["pictures/film.gif"]}
    yield "voddelete", {"folder": "asset"}


def main(server: str, name: str, key_file: str, folder: str, film: str, *only: str) -> None:
    """Do one after the other; stop at the first that fails."""
    key = Path(key_file).read_text(encoding="utf-8").strip()
    with Client(server, name, key) as client:
        for workflow, parameters in life(folder, film):
            if only and workflow not in only:
                continue
            submitted = client.submit(workflow, {"content_id": "film-42", **parameters})
            job = client.wait(submitted.id)
            print(workflow, "completed" if job.succeeded else "failed")  # noqa: T201
            if not job.succeeded:
                sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
