"""Reads caption files that lie beside a film."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from adaptation.media.caption_file import MAX_FILE_BYTES, read_caption_file
from adaptation.media.subtitles import Cue


def read_captions(path: Path, tell: Callable[[str], object] | None = None) -> list[Cue]:
    """The cues of a caption file in the order of time, on the file's own clock.

    `media.caption_file.on_film` then puts them on the clock of a film.

    Args:
        path: a file of one of `media.caption_file.SUFFIXES`.
        tell: gets sentences for the log, if anybody wants them: what was guessed or left out.

    Raises:
        SourceError: `captions_invalid` (with the line, where that is known),
            `captions_unsupported`; the message begins with the file's name.
    """
    with path.open("rb") as file:
        # One byte more tells a file that is too large, without reading it.
        content = file.read(MAX_FILE_BYTES + 1)
    captions = read_caption_file(content, path.name)
    if tell:
        for note in captions.notes:
            tell(note)
    return list(captions.cues)
