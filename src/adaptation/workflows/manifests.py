"""What leads readers to the media of an asset: its manifests and its record, written from one."""

from __future__ import annotations

from pathlib import Path

from adaptation.media import dash, hls
from adaptation.media.asset import Asset
from adaptation.media.asset_record import ASSET_NAME


def leading_files(asset: Asset, folder: Path) -> list[tuple[Path, str]]:
    """Write them into a folder of this machine; gives each file and its name in the asset."""
    texts = {
        hls.MASTER_NAME: asset.master_playlist(),
        **({dash.MANIFEST_NAME: asset.manifest()} if asset.has_dash else {}),
        ASSET_NAME: asset.text(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        files.append((folder / name, name))
    return files
