"""Paints patches of known colours in any coding, and measures what an encode made of them.

What a patch must become is worked out here from the formulas of the standards, with none of the
filters that the product uses: BT.709, BT.601, BT.2020 (matrices, primaries), BT.1886 (the curve
SDR is shown with), BT.2100 (PQ, HLG).
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from math import log
from pathlib import Path

import clips
import judges

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 1; or luma and two differences in whole numbers."""
Matrix = tuple[Colour, Colour, Colour]

SIZE = (320, 180)
COLUMNS, ROWS = 4, 2
PATCHES: tuple[Colour, ...] = (
    (0.0, 0.0, 0.0),
    (0.5, 0.5, 0.5),
    (0.6, 0.45, 0.35),
    (0.2, 0.3, 0.6),
    (0.25, 0.5, 0.2),
    (0.6, 0.15, 0.2),
    (0.1, 0.4, 0.45),
    (0.65, 0.6, 0.15),
)
"""Shades of BT.709 as they are coded, row by row: no two alike, none above the knee of HDR."""
LUMA = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}
"""Shares of red and blue in luma, by the matrix's name."""
TO_XYZ: dict[str, Matrix] = {
    "bt709": (
        (0.4123908, 0.3575843, 0.1804808),
        (0.2126390, 0.7151687, 0.0721923),
        (0.0193308, 0.1191948, 0.9505322),
    ),
    "bt2020": (
        (0.6369580, 0.1446169, 0.1688810),
        (0.2627002, 0.6779981, 0.0593017),
        (0.0000000, 0.0280727, 1.0609851),
    ),
}
"""Linear light to CIE XYZ, by the primaries' name."""
FROM_XYZ_TO_BT2020: Matrix = (
    (1.7166512, -0.3556708, -0.2533663),
    (-0.6666844, 1.6164812, 0.0157685),
    (0.0176399, -0.0427706, 0.9421031),
)
WHITE_NITS = 203
"""BT.2408: what HDR shows SDR's white at."""


def coded(
    colour: Colour, matrix: str = "bt709", *, depth: int = 8, is_full: bool = False
) -> Colour:
    """Luma and colour differences of a shade in whole numbers."""
    red_share, blue_share = LUMA[matrix]
    red, green, blue = colour
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    differences = ((blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share))
    if is_full:
        top = 2**depth - 1
        return (round(top * luma), *(round(top * d + 2 ** (depth - 1)) for d in differences))
    scale = 2 ** (depth - 8)
    return (
        round(scale * (219 * luma + 16)),
        *(round(scale * (224 * d + 128)) for d in differences),
    )


def light(colour: Colour) -> Colour:
    """Linear light of a shade, as BT.1886 shows it; 1 is white."""
    red, green, blue = (part**2.4 for part in colour)
    return red, green, blue


def shade(linear: Colour) -> Colour:
    """What `light` reads back."""
    red, green, blue = (max(0.0, min(1.0, part)) ** (1 / 2.4) for part in linear)
    return red, green, blue


def in_bt2020(linear: Colour) -> Colour:
    """The same light of BT.709 in BT.2020's primaries."""
    return _times(FROM_XYZ_TO_BT2020, _times(TO_XYZ["bt709"], linear))


def pq(nits: Colour) -> Colour:
    """BT.2100 table 4: light in cd/m² as PQ codes it."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    powers = [(max(0.0, part) / 10_000) ** m1 for part in nits]
    red, green, blue = (((c1 + c2 * p) / (1 + c3 * p)) ** m2 for p in powers)
    return red, green, blue


def hlg(nits: Colour) -> Colour:
    """BT.2100 table 5: light on the reference display of 1000 cd/m² as HLG codes it."""
    red, green, blue = (max(0.0, part) / 1000 for part in nits)
    luminance = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    gain = luminance ** (1 / 1.2 - 1) if luminance > 0 else 0.0
    red, green, blue = (_hlg_curve(part * gain) for part in (red, green, blue))
    return red, green, blue


def _hlg_curve(scene: float) -> float:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return (3 * scene) ** 0.5 if scene <= 1 / 12 else a * log(12 * scene - b) + c


def _times(matrix: Matrix, colour: Colour) -> Colour:
    x, y, z = (sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix)
    return x, y, z


def paint(folder: Path, patches: Sequence[Colour], command: str, *, depth: int = 8) -> Path:
    """A clip of ten frames that show patches in one row or two.

    Args:
        folder: where the clip goes.
        patches: coded colours, see `coded`, row by row; a multiple of four, or any single row.
        command: words for FFmpeg behind the input: filters, codec, labels, the file.
        depth: bits of the coded colours.
    """
    raw = folder / "patches.yuv"
    folder.mkdir(parents=True, exist_ok=True)
    raw.write_bytes(b"".join(_plane([int(p[part]) for p in patches], depth) for part in range(3)))
    form = "yuv444p" if depth == 8 else f"yuv444p{depth}le"
    size = f"{SIZE[0]}x{SIZE[1]}"
    read = f"-f rawvideo -pix_fmt {form} -s {size} -r 25 -stream_loop 9 -i {raw.name}"
    return clips.ffmpeg(folder, f"{read} {command}")


def _plane(values: Sequence[int], depth: int) -> bytes:
    width, height = SIZE
    columns = COLUMNS if len(values) == COLUMNS * ROWS else len(values)
    lines = []
    for start in range(0, len(values), columns):
        row = [values[start + x * columns // width] for x in range(width)]
        lines.append(b"".join(value.to_bytes(1 if depth == 8 else 2, "little") for value in row))
    return b"".join(lines[y * len(lines) // height] for y in range(height))


def measure(path: Path, *, columns: int = COLUMNS, rows: int = ROWS) -> list[Colour]:
    """Luma and colour differences in the middle of each patch of the last frame, row by row."""
    command = [str(clips.tools().ffmpeg), "-v", "error", "-i", str(path)]
    command += ["-vf", "format=yuv444p", "-f", "rawvideo", "-"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert done.stderr == b""
    facts = judges.streams(path)[0]
    width, height = int(facts["width"]), int(facts["height"])
    frame = done.stdout[-3 * width * height :]
    places = [
        (width * (2 * column + 1) // (2 * columns), height * (2 * row + 1) // (2 * rows))
        for row in range(rows)
        for column in range(columns)
    ]
    return [_pixel(frame, width, height, place) for place in places]


def _pixel(frame: bytes, width: int, height: int, place: tuple[int, int]) -> Colour:
    x, y = place
    luma, blue, red = (frame[(part * height + y) * width + x] for part in range(3))
    return luma, blue, red
