"""A clip for whoever has none: a test picture with a beep each second."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from adaptation.adapters.process import Limits, run
from adaptation.adapters.sandbox import Access
from adaptation.adapters.tools import Tools

GENERATED = (
    "-f lavfi -i testsrc2=s=1280x720:r=25:d=5 -f lavfi -i sine=f=440:b=4:r=48000:d=5"
    " -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac -f mp4"
)
"""FFmpeg's words for five seconds, H.264 and AAC."""
GENERATED_SECONDS = 300.0
"""Five seconds of picture take a moment; longer means that something hangs."""


def sample_clip(tools: Tools, folder: Path) -> Path:
    """The clip in a folder, made once: a job that was interrupted goes on with the same source.

    Raises:
        ToolError: FFmpeg cannot make it.
        OSError: the folder cannot be written.
    """
    clip = folder / "testsrc2.mp4"
    if not clip.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"testsrc2-{uuid4().hex}.partial"
        command = [str(tools.ffmpeg), "-nostdin", "-y", "-v", "error", *GENERATED.split()]
        access = Access(writes=(folder,))
        limits = Limits(timeout_seconds=GENERATED_SECONDS)
        try:
            run([*command, str(partial)], access=access, within=tools.sandbox, limits=limits)
            partial.rename(clip)
        finally:
            partial.unlink(missing_ok=True)
    return clip
