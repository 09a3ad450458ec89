"""Plans the sound tracks of an asset: stereo of everything, and 5.1 of what has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from adaptation.media.encode import decimal, input_options, output_options
from adaptation.media.language import known_code
from adaptation.media.package import audio_names
from adaptation.media.probe import AudioTrack
from adaptation.media.timeline import Timeline

Layout = Literal["stereo", "5.1"]
AUDIO_RATE = 48_000
"""Hertz of all encoded sound."""
BITRATES: Mapping[Layout, int] = {"stereo": 128_000, "5.1": 384_000}
"""The usual bits per second: 64,000 a channel, transparent enough for FFmpeg's AAC."""
SURROUND_CHANNELS = 6
"""Channels of the smallest source that 5.1 is made of."""
CEILING = 0.89
"""Part of full scale (-1 dB) that mixed sound is kept below: AAC overshoots a little."""


@dataclass(frozen=True)
class Sound:
    """A sound track to make."""

    name: str
    """Folder and id."""
    stream_index: int
    """Stream of the source."""
    language: str
    """ISO 639 code as found."""
    title: str
    """Name as found."""
    layout: Layout
    """Channels to make."""
    stereo_name: str = ""
    """Of 5.1: the track that is the same in stereo."""
    bitrate: int = BITRATES["stereo"]
    """Bits per second."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what the tasks of the track work from."""
        return asdict(self)


def plan_sounds(
    tracks: Sequence[AudioTrack],
    *,
    surround: bool = False,
    bitrates: Mapping[Layout, int] = BITRATES,
) -> tuple[Sound, ...]:
    """Stereo of every track of the source; with `surround` then 5.1 of those that can give it.

    More than 5.1 is mixed down to it, for AAC of eight channels plays hardly anywhere.
    """
    stereo = [
        Sound(name, track.index, track.language, track.title, "stereo", "", bitrates["stereo"])
        for track, name in zip(tracks, audio_names(tracks), strict=True)
    ]
    if not surround:
        return tuple(stereo)
    taken = {sound.name for sound in stereo}
    wide = [
        Sound(
            _free(f"{sound.name}_51", taken),
            track.index,
            track.language,
            track.title,
            "5.1",
            stereo_name=sound.name,
            bitrate=bitrates["5.1"],
        )
        for track, sound in zip(tracks, stereo, strict=True)
        if track.channels >= SURROUND_CHANNELS
    ]
    return (*stereo, *wide)


def audio_command(  # noqa: PLR0913 - named at the call
    track: AudioTrack,
    timeline: Timeline,
    *,
    input_path: Path,
    output_path: Path,
    layout: Layout = "stereo",
    bitrate: int | None = None,
    origin: Fraction | None = None,
) -> list[str]:
    """Encode one sound track as AAC, on the clock of the picture.

    Args:
        track: the sound track.
        timeline: of the picture; its first frame is the common origin of all tracks.
        input_path: absolute path of the source.
        output_path: absolute path of an `.mp4`.
        layout: channels to make.
        bitrate: bits per second; none: the usual.
        origin: seconds of the sound's own clock at which the picture begins, where it lies in
            another file; none: both have one clock.
    """
    begin = timeline.start_seconds if origin is None else origin
    return [
        *input_options(input_path),
        "-map", f"0:{track.index}",
        *("-af", audio_filter(begin, track.channels, layout)),
        *("-c:a", "aac", "-b:a", str(bitrate or BITRATES[layout])),
        *("-metadata:s:a:0", f"language={known_code(track.language)}"),
        # Fragments of a second, or the muxer would hold all of the sound until its end.
        *("-frag_duration", "1000000"),
        *output_options(output_path, fragments=""),
    ]  # fmt: skip


def audio_filter(begin: Fraction, channels: int, layout: Layout = "stereo") -> str:
    """The filters that put sound on the clock of the picture, and into its channels.

    Args:
        begin: seconds of the sound's clock at which the picture begins.
        channels: of the source.
        layout: to make.
    """
    origin = decimal(begin)
    filters = [
        # What is heard before the first frame is cut.
        f"atrim=start={origin}",
        f"asetpts=PTS-({origin})/TB",
        *_mix(channels, layout),
    ]
    return ",".join(filters)


def _mix(channels: int, layout: Layout) -> list[str]:
    # One voice from the middle is as loud from both sides; FFmpeg's matrix would take 3 dB off.
    mono = ["pan=stereo|c0=c0|c1=c0"] if channels == 1 and layout == "stereo" else []
    # Late sound begins with silence, and gaps inside are filled, so that it stays in sync.
    # FFmpeg's matrix is that of ITU-R BS.775: left + 0.707 centre + 0.707 surround, without the
    # effects channel. The centre, which speaks, is as loud in both sides together as it was.
    resampled = f"aresample={AUDIO_RATE}:async=1:first_pts=0"
    shaped = f"aformat=sample_fmts=fltp:channel_layouts={layout}"
    return [*mono, resampled, shaped, *_limited(channels, layout)]


def _limited(channels: int, layout: Layout) -> list[str]:
    """Keep the rare moments when all channels are loud from being clipped.

    The sum of a mix may be 2.4 times full scale. Making everything softer by that much would
    bury the speech, so only such moments are.
    """
    if channels <= (SURROUND_CHANNELS if layout == "5.1" else 2):
        return []
    # The level is not raised, and the look-ahead is taken off again: sound stays in sync.
    return [f"alimiter=limit={CEILING}:level=disabled:latency=1"]


def _free(name: str, taken: set[str]) -> str:
    """The name, or with more behind it when another track has it."""
    while name in taken:
        name = f"{name}_51"
    taken.add(name)
    return name
