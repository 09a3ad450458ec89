"""A track in one file: its init segment, an index of its segments, and these one behind the other.

That is a CMAF track file, ISO/IEC 23000-19 §7.3.3.3: HLS addresses it by byte ranges, DASH by the
index (ISO/IEC 23009-1 §5.3.9.2). Segments are the same bytes as they are in files of their own.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import accumulate

from adaptation.media.index import Track
from adaptation.media.writing import INDEX_BYTES, REFERENCE_BYTES, track_index

FILE_NAME = "media_{digest}.mp4"
"""The file, inside the track's folder: who has the ranges of another one does not find this one."""
DIGITS = 16
MOST_SEGMENTS = 0xFFFF
"""As many an index can name; at 4 s that is three days."""


def in_one_file(track: Track) -> Track:
    """The same track with its segments in one file, which has a name and places by what they are.

    One of more segments than an index can name is left as it is.
    """
    if len(track.segments) > MOST_SEGMENTS:
        return track
    head = head_bytes(track.init_size_bytes, len(track.segments))
    offsets = accumulate((segment.size_bytes for segment in track.segments), initial=head)
    digests = "".join([track.init_sha256, *(segment.sha256 for segment in track.segments)])
    name = FILE_NAME.format(digest=hashlib.sha256(digests.encode()).hexdigest()[:DIGITS])
    segments = (
        replace(segment, name=name, offset=offset)
        for segment, offset in zip(track.segments, offsets, strict=False)
    )
    return replace(track, init_name=name, segments=tuple(segments))


def head_bytes(init_size_bytes: int, segment_count: int) -> int:
    """Length of `file_head`."""
    return init_size_bytes + INDEX_BYTES + REFERENCE_BYTES * segment_count


def file_head(track: Track, init: bytes) -> bytes:
    """What stands in front of the first segment in the file of a track.

    Args:
        track: in one file.
        init: its init segment.
    """
    segments = [(segment.size_bytes, segment.duration) for segment in track.segments]
    return init + track_index(track.timescale, track.segments[0].start, segments)


def is_laid_out(track: Track) -> bool:
    """Whether all segments are files of their own, or all follow each other in one file."""
    return all(one.offset is None for one in track.segments) or track == in_one_file(track)
