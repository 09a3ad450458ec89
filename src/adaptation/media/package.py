"""Plans how Shaka Packager cuts an encoded track into CMAF segments."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from adaptation.media.index import INIT_NAME, SEGMENT_TEMPLATE, Kind
from adaptation.media.language import has_short_code, language_tag
from adaptation.media.probe import AudioTrack, SubtitleTrack
from adaptation.media.rendition import SAFE_NAME


def package_command(
    kind: Kind, input_name: str, segment_seconds: float | Fraction, language: str = ""
) -> list[str]:
    """Cut one track into `init.mp4` and `00001.m4s`… in the folder where Packager runs.

    Args:
        kind: which stream of the input to take.
        input_name: path of the encoded file relative to that folder.
        segment_seconds: length of the segments; pictures are cut at key frames.
        language: ISO 639 code that overrides the input's; ignored unless it has two letters,
            for Packager refuses `und` and codes it does not know.

    Raises:
        ValueError: a comma or `=` in a name would begin another option of the descriptor.
    """
    if any(mark in input_name for mark in ",=\n"):
        raise ValueError(f"{input_name!r} cannot stand in a stream descriptor")
    fields = [f"in={input_name}", f"stream={kind}", f"init_segment={INIT_NAME}"]
    fields += [f"segment_template={SEGMENT_TEMPLATE}"]
    primary = language_tag(language).partition("-")[0]
    fields += [f"lang={primary}"] if has_short_code(primary) else []
    seconds = f"{float(segment_seconds):g}"
    return [
        ",".join(fields),
        # One fragment a segment: a player gains nothing from smaller ones in a file.
        *("--segment_duration", seconds, "--fragment_duration", seconds),
        # Without it the init segment holds the time of day, and no two runs agree.
        "--use_fake_clock_for_muxer",
        "--quiet",
    ]  # fmt: skip


def audio_names(tracks: Sequence[AudioTrack]) -> tuple[str, ...]:
    """A folder for each sound track: `audio_en`, `audio_fr`…; a second one gets `audio_en_2`."""
    return _folders("audio", [track.language for track in tracks])


def text_names(tracks: Sequence[SubtitleTrack]) -> tuple[str, ...]:
    """A folder for each subtitle track: `text_en`, `text_fr`…; a second one gets `text_en_2`."""
    return _folders("text", [track.language for track in tracks])


def _folders(kind: str, languages: Sequence[str]) -> tuple[str, ...]:
    names = list[str]()
    for language in languages:
        tag = language_tag(language).lower()
        stem = f"{kind}_{tag}" if SAFE_NAME.fullmatch(tag) else f"{kind}_und"
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}_{number}"
        names.append(name)
    return tuple(names)
