"""What players are told of the keys of a copy: for which systems, by whom, where keys are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from adaptation.context import Context
from adaptation.media.asset import Asset
from adaptation.media.cpix import DrmSystem
from adaptation.media.protection import Protection, SystemName


@dataclass(frozen=True)
class Telling:
    """The same for all tracks of a copy."""

    systems: Sequence[SystemName]
    """Whose players are told."""
    told: Sequence[DrmSystem] | None
    """What a document says of it; None: there is none, and what an earlier one said stays."""
    key_uri: str
    """Where players of HLS get keys, `{key_id}` standing for that of a track; empty: as usual."""

    def of(self, protection: Protection) -> Protection:
        """A track of the copy as it is told now.

        Raises:
            SourceError: `cpix_invalid`.
            ParameterError: `key_uri_missing`.
        """
        before = protection if self.told is None else replace(protection, signals=())
        uri = self.key_uri.replace("{key_id}", protection.key_id.hex())
        return before.for_systems(self.systems, self.told or (), uri)


def key_uri_of(context: Context, asset: Asset) -> str:
    """`hls_key_uri` with the content it is for; the asset's id where the client has given none."""
    content_id = quote(str(context.get("content_id") or asset.asset_id), safe="")
    return str(context.get("hls_key_uri") or "").replace("{content_id}", content_id)
