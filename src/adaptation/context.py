"""Context: the one JSON dict that is passed from task to task, with helpers for its paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Context(dict[str, Any]):
    """What a job knows so far. Tasks get it, add to it and return it; all of it is JSON.

    The path helpers name resources relative to the asset's folder, with `/` between the parts;
    HLS and DASH of one rendition share a folder because they share its segments.
    """

    @property
    def folder_out(self) -> str:
        """The folder the finished asset is published as."""
        return str(self["output_folder"])

    @property
    def quality(self) -> str:
        """The name of this branch's track: a rendition or a sound track."""
        return str(self["name"])

    @property
    def transcoded_folder(self) -> str:
        """Where the encoded track lies before it is cut into segments, in the work area."""
        return self.transcoded_file.rpartition("/")[0]

    @property
    def transcoded_files(self) -> list[str]:
        """Keys of the encoded track in the work area: one a chunk, in the order of time."""
        return [str(key) for key in self["transcoded_keys"]]

    @property
    def transcoded_file(self) -> str:
        """Key of the encoded track's first piece, which is all of it when there is one chunk."""
        return self.transcoded_files[0]

    @property
    def hls_folder(self) -> str:
        """Folder of the track's playlist and segments."""
        return self.quality

    @property
    def dash_folder(self) -> str:
        """Folder of the track's segments for DASH: the same files as for HLS."""
        return self.hls_folder

    @property
    def master_playlist(self) -> str:
        """The HLS master playlist."""
        return "master.m3u8"

    @property
    def rendition_playlist(self) -> str:
        """The HLS media playlist of this branch's track."""
        return f"{self.hls_folder}/playlist.m3u8"

    @property
    def dash_manifest(self) -> str:
        """The DASH manifest."""
        return "manifest.mpd"

    def extended(self, **fields: Any) -> Context:
        """A copy with fields added or replaced."""
        return Context({**self, **fields})

    @classmethod
    def joined(cls, branches: Iterable[dict[str, Any]], *, collect: Iterable[str]) -> Context:
        """Merge the contexts of parallel branches.

        What is equal in all branches is kept once; the fields in `collect` become lists in the
        branches' order; whatever else differs belonged to one branch alone and is dropped.
        """
        contexts = list(branches)
        if not contexts:
            return cls({field: [] for field in collect})
        first = contexts[0]
        shared = {
            key: value
            for key, value in first.items()
            if all(key in other and other[key] == value for other in contexts)
        }
        lists = {field: [context[field] for context in contexts] for field in collect}
        return cls({**shared, **lists})
