"""What is measured with what: the ladder, the lengths, the rounds and the tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adaptation.adapters.tools import Tools


@dataclass(frozen=True)
class Rung:
    """A rendition that every shape makes."""

    width: int
    """Pixels, even."""
    height: int
    """Pixels, even."""
    bitrate: int
    """Bits per second."""

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.height}p"

    @property
    def kbits(self) -> str:
        """The bit rate as FFmpeg and Shaka Streamer like it."""
        return f"{self.bitrate // 1000}k"


LADDER = (
    Rung(1920, 1080, 5_000_000),
    Rung(1280, 720, 2_800_000),
    Rung(960, 540, 1_600_000),
    Rung(640, 360, 800_000),
    Rung(416, 234, 350_000),
)
"""The rungs of `adaptation` for a 1080p source; any other choice of them is a shorter ladder."""
FRAME_RATE = 25
"""Of the clips, and so of all sources."""
AUDIO_BITRATE = 128_000
"""Bits per second of the stereo AAC that every shape makes."""


@dataclass(frozen=True)
class Setup:
    """What can be set on the command line."""

    rounds: int = 3
    """How often everything is measured, in turn."""
    jobs: int = 1_000_000
    """How many the store holds where there are many."""
    seconds: int = 24
    """Length of the source, a whole number of its two-second GOPs."""
    lengths: tuple[int, ...] = ()
    """Of the sources where several lengths are compared; none: as that subject has them."""
    rungs: tuple[Rung, ...] = LADDER
    """Largest first."""
    preset: str = "veryfast"
    """Of x264, in all shapes."""
    segment_seconds: int = 4
    """Length of a segment, in all shapes."""
    source_height: int = 1080
    """Of the source; smaller ones only show that the bench itself works."""
    shapes: tuple[str, ...] = ()
    """Names of the shapes to run; none: all."""
    quality: bool = True
    """Whether VMAF is measured."""
    vmaf_step: int = 5
    """VMAF is taken of every such frame."""
    passthrough: bool = True
    """Whether a job that copies its top rung is measured, too."""

    @property
    def source_size(self) -> tuple[int, int]:
        """Width and height of the source."""
        return self.source_height * 16 // 9 // 2 * 2, self.source_height


@dataclass(frozen=True)
class Bench:
    """One measurement under way."""

    setup: Setup
    """What was asked for."""
    tools: Tools
    """FFmpeg, ffprobe and Packager, the same for all shapes."""
    folder: Path
    """Scratch, gone at the end however it comes."""

    def made(self, name: str) -> Path:
        """A new, empty folder of this name."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder
