"""Every kind of picture comes out upright, in the right colours and with true labels."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import clips
import colours
import judges
from adaptation.adapters import ffmpeg
from adaptation.media.cascade import Rung, chunk_command
from adaptation.media.chunk import cut_chunks
from adaptation.media.coding import usual_coding
from adaptation.media.encode import keyframes
from adaptation.media.inspection import Inspection
from adaptation.media.probe import Source
from adaptation.media.rendition import Rendition, target_size
from colours import PATCHES, Colour, coded, in_bt2020, light, pq, shade

TOLERANCE = 3
"""By how much of 255 a flat patch may be off: two roundings and the encoder."""
LABELS = {
    "pix_fmt": "yuv420p",
    "color_range": "tv",
    "color_space": "bt709",
    "color_transfer": "bt709",
    "color_primaries": "bt709",
    "chroma_location": "left",
    "sample_aspect_ratio": "1:1",
    "field_order": "progressive",
}
"""What ffprobe must say of every picture we make."""
X264 = "-c:v libx264 -preset ultrafast -crf 8"
X265 = "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error:crf=8"
BT709 = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
BT2020 = "setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc"


def encode(clip: Path, *, height: int = 180, codec: str = "h264") -> tuple[Path, Source]:
    """The largest rung of a clip, as the product makes it."""
    inspection = Inspection()
    source, timeline = ffmpeg.inspect(clip, clips.tools(), inspection)
    assert source.video is not None
    size = target_size(source.video.width, source.video.height, height)
    output = clip.with_name("made.mp4")
    rungs = [Rung(Rendition("rung", size[1], 4_000_000, codec), size, output, usual_coding(codec))]
    (chunk,) = cut_chunks(timeline, (), keyframes(timeline, 4), [0])
    command = chunk_command(source, timeline, chunk, rungs, clip)
    ffmpeg.encode(command, clips.tools(), expected_seconds=1)
    return output, source


def labels(path: Path) -> dict[str, Any]:
    facts = judges.streams(path)[0]
    return {name: facts.get(name) for name in LABELS}


def assert_alike(found: Sequence[Colour], expected: Sequence[Colour]) -> None:
    for number, (seen, wanted) in enumerate(zip(found, expected, strict=True)):
        off = max(abs(a - b) for a, b in zip(seen, wanted, strict=True))
        assert off <= TOLERANCE, f"patch {number} is {seen}, not {wanted}"


@dataclass(frozen=True)
class Kind:
    """How the patches are coded in a source."""

    command: str
    """Labels, codec and file."""
    code: Callable[[Colour], Colour] = coded
    """From a shade of BT.709 to what is stored."""
    depth: int = 8
    """Bits of what is stored."""
    expected: Callable[[Colour], Colour] = field(default=lambda colour: colour)
    """The shade it is to become."""


def in_pq(colour: Colour) -> Colour:
    red, green, blue = (colours.WHITE_NITS * part for part in in_bt2020(light(colour)))
    return coded(pq((red, green, blue)), "bt2020nc", depth=10)


def in_hlg(colour: Colour) -> Colour:
    red, green, blue = (colours.WHITE_NITS * part for part in in_bt2020(light(colour)))
    return coded(colours.hlg((red, green, blue)), "bt2020nc", depth=10)


def in_wide_sdr(colour: Colour) -> Colour:
    return coded(shade(in_bt2020(light(colour))), "bt2020nc", depth=10)


KINDS: dict[str, Kind] = {
    "BT.709": Kind(f"-vf {BT709},format=yuv420p {X264} a.mp4"),
    "BT.601 without labels": Kind(
        f"-vf format=yuv420p {X264} a.mp4", lambda colour: coded(colour, "smpte170m")
    ),
    "BT.601 as labelled": Kind(
        f"-vf setparams=colorspace=smpte170m:range=tv,format=yuv420p {X264} a.mp4",
        lambda colour: coded(colour, "smpte170m"),
    ),
    "full range": Kind(
        f"-vf setparams=range=pc:colorspace=bt709,format=yuvj420p {X264} a.mp4",
        lambda colour: coded(colour, is_full=True),
    ),
    "full range of MJPEG": Kind(
        "-vf setparams=range=pc:colorspace=bt470bg,format=yuvj422p -c:v mjpeg -q:v 2 a.mov",
        lambda colour: coded(colour, "smpte170m", is_full=True),
    ),
    "4:2:2 in 10 bit": Kind(
        f"-vf {BT709},format=yuv422p10le {X264} a.mp4", lambda colour: coded(colour, depth=10), 10
    ),
    "ProRes": Kind(
        f"-vf {BT709},format=yuv422p10le -c:v prores_ks a.mov",
        lambda colour: coded(colour, depth=10),
        10,
    ),
    "4:4:4": Kind(f"-vf {BT709},format=yuv444p {X264} a.mp4"),
    "RGB": Kind(
        "-vf scale=in_color_matrix=bt709:in_range=tv,format=rgb24 -c:v libx264rgb -crf 4"
        " -preset ultrafast a.mp4"
    ),
    "BT.2020 in SDR": Kind(
        f"-vf {BT2020}=bt2020-10,format=yuv420p10le {X265} a.mp4", in_wide_sdr, 10
    ),
    "PQ": Kind(f"-vf {BT2020}=smpte2084,format=yuv420p10le {X265} a.mp4", in_pq, 10),
    "PQ of 4000 nits": Kind(
        f"-vf {BT2020}=smpte2084,format=yuv420p10le {X265}:max-cll=4000,400 a.mp4",
        in_pq,
        10,
    ),
    "HLG": Kind(f"-vf {BT2020}=arib-std-b67,format=yuv420p10le {X265} a.mp4", in_hlg, 10),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=[name.replace(" ", "_") for name in KINDS])
def test_colours_and_labels_are_right_whatever_the_coding(kind: Kind, tmp_path: Path) -> None:
    patches = [kind.code(colour) for colour in PATCHES]
    clip = colours.paint(tmp_path, patches, kind.command, depth=kind.depth)
    made, _ = encode(clip)
    assert_alike(colours.measure(made), [coded(kind.expected(colour)) for colour in PATCHES])
    assert labels(made) == LABELS
    assert "side_data_list" not in judges.streams(made)[0]


@pytest.mark.parametrize(
    ("stated", "nits"),
    [
        ("max-cll=1200,400", 1200),
        ("master-display=G(1,1)B(1,1)R(1,1)WP(1,1)L(40000000,50)", 4000),
        ("repeat-headers=1", 0),
    ],
)
def test_the_stated_peak_of_pq_is_read_from_the_pictures(
    stated: str, nits: int, tmp_path: Path
) -> None:
    command = f'-vf {BT2020}=smpte2084,format=yuv420p10le {X265}:"{stated}" a.mp4'
    patches = [in_pq(colour) for colour in PATCHES]
    clip = colours.paint(tmp_path, patches, command, depth=10)
    source, _ = ffmpeg.inspect(clip, clips.tools(), Inspection())
    assert source.video is not None
    assert source.video.peak_nits == nits


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_the_bitstream_itself_says_the_same_of_hdr_made_sdr(codec: str, tmp_path: Path) -> None:
    command = f"-vf {BT2020}=smpte2084,format=yuv420p10le {X265}:max-cll=1200,400 a.mp4"
    clip = colours.paint(tmp_path, [in_pq(colour) for colour in PATCHES], command, depth=10)
    made, _ = encode(clip, codec=codec)
    annex_b = f"-i {made.name} -c copy -bsf:v {codec}_mp4toannexb bare.{codec}"
    for path in (made, clips.ffmpeg(tmp_path, annex_b)):
        found = labels(path)
        named = {name: LABELS[name] for name in LABELS if name.startswith("color_")}
        assert {name: found[name] for name in named} == named
    # Neither the display it was graded on nor its light levels are those of what we made.
    kinds = {entry["side_data_type"] for entry in first_frame(made).get("side_data_list", [])}
    assert all("SEI" in kind for kind in kinds)


def first_frame(path: Path) -> dict[str, Any]:
    """What ffprobe says of the first frame."""
    command = [str(clips.tools().ffprobe), "-v", "error", "-read_intervals", "%+#1"]
    command += ["-of", "json", "-show_frames", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    frame: dict[str, Any] = json.loads(done.stdout)["frames"][0]
    return frame


def test_hdr_of_an_odd_size_that_was_held_upright_is_shown_as_it_is(tmp_path: Path) -> None:
    patches = [in_hlg(colour) for colour in PATCHES]
    odd = f"-vf {BT2020}=arib-std-b67,crop=319:179:0:0:exact=1,format=yuv444p10le {X265} a.mp4"
    stored = colours.paint(tmp_path, patches, odd, depth=10)
    turn = f"-display_rotation -90 -i {stored.name} -c copy turned.mp4"
    made, _ = encode(clips.ffmpeg(tmp_path, turn), height=318)
    found = colours.measure(made, columns=colours.ROWS, rows=colours.COLUMNS)
    assert_alike(found, [coded(PATCHES[number]) for number in TURNS[90]])
    facts = judges.streams(made)[0]
    assert (facts["width"], facts["height"]) == (178, 318)


RAMP = 32
"""Steps of grey from black to 1000 cd/m²."""


@pytest.mark.parametrize("curve", ["smpte2084", "arib-std-b67"])
def test_a_ramp_of_hdr_rises_to_its_peak_and_keeps_highlights_apart(
    curve: str, tmp_path: Path
) -> None:
    encoded = {"smpte2084": pq, "arib-std-b67": colours.hlg}[curve]
    nits = [1000 * step / (RAMP - 1) for step in range(RAMP)]
    ramp = [coded(encoded((grey, grey, grey)), "bt2020nc", depth=10) for grey in nits]
    command = f"-vf {BT2020}={curve},format=yuv420p10le {X265} a.mp4"
    made, _ = encode(colours.paint(tmp_path, ramp, command, depth=10))
    found = [luma for luma, *_ in colours.measure(made, columns=RAMP, rows=1)]
    assert found[0] == pytest.approx(16, abs=1)
    assert found[-1] == pytest.approx(235, abs=2)
    assert all(early <= late for early, late in pairwise(found))
    white = next(luma for luma, grey in zip(found, nits, strict=True) if grey >= colours.WHITE_NITS)
    # White has almost all of SDR's range, and a fifth of the peak is not taken for the peak.
    assert 200 <= white <= 220
    assert len({luma for luma, grey in zip(found, nits, strict=True) if grey >= 200}) >= 10


TURNS = {90: (4, 0, 5, 1, 6, 2, 7, 3), 180: (7, 6, 5, 4, 3, 2, 1, 0), 270: (3, 7, 2, 6, 1, 5, 0, 4)}
"""Which patch of the stored picture is shown where after a turn clockwise, row by row."""


@pytest.mark.parametrize("degrees", TURNS)
def test_a_turned_picture_stands_upright(degrees: int, tmp_path: Path) -> None:
    patches = [coded(colour) for colour in PATCHES]
    stored = colours.paint(tmp_path, patches, f"-vf {BT709},format=yuv420p {X264} stored.mp4")
    turn = f"-display_rotation {-degrees} -i {stored.name} -c copy turned.mp4"
    made, _ = encode(clips.ffmpeg(tmp_path, turn), height=320)
    shape = (colours.COLUMNS, colours.ROWS) if degrees == 180 else (colours.ROWS, colours.COLUMNS)
    found = colours.measure(made, columns=shape[0], rows=shape[1])
    assert_alike(found, [patches[number] for number in TURNS[degrees]])
    assert "side_data_list" not in judges.streams(made)[0]


def half_transparent(colour: Colour) -> Colour:
    red, green, blue = (part / 2 for part in colour)
    return red, green, blue


SEEN = "scale=in_color_matrix=bt709:in_range=tv,format=rgba"
HALF = "geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(Y,90),128,0)'"
ALPHA = {
    "QuickTime Animation": "-c:v qtrle a.mov",
    "PNG": "-c:v png a.mov",
    "ProRes 4444": "-c:v prores_ks -pix_fmt yuva444p10le -profile:v 4444 a.mov",
    "VP9": "-c:v libvpx-vp9 -pix_fmt yuva420p -crf 4 -b:v 0 -deadline realtime -cpu-used 8"
    " -auto-alt-ref 0 a.webm",
    "VP8": "-c:v libvpx -pix_fmt yuva420p -crf 4 -b:v 4M -deadline realtime -auto-alt-ref 0 a.webm",
}


@pytest.mark.parametrize("code", ALPHA.values(), ids=[name.replace(" ", "_") for name in ALPHA])
def test_a_transparent_picture_is_shown_before_black(code: str, tmp_path: Path) -> None:
    patches = [coded(colour) for colour in PATCHES]
    matrix = ",scale=out_color_matrix=smpte170m:out_range=tv" if "yuva" in code else ""
    clip = colours.paint(tmp_path, patches, f'-vf "{SEEN},{HALF}{matrix}" {code}')
    made, _ = encode(clip)
    # The upper row is seen by half, the lower one not at all.
    shown = [coded(half_transparent(colour)) for colour in PATCHES[: colours.COLUMNS]]
    black = [coded((0, 0, 0))] * colours.COLUMNS
    assert_alike(colours.measure(made), [*shown, *black])
    assert labels(made) == LABELS


STEP = 8
"""Pixels that a white bar moves to the right from one field to the next."""
TV = (720, 480)
WOVEN = {
    "announced": f"{X264} -flags +ildct+ilme -x264-params tff=1 a.mp4",
    "announced by frames": "-c:v mpeg4 -q:v 2 -flags +ildct+ilme a.avi",
    "announced by the container alone": "-c:v prores_ks -pix_fmt yuv422p10le a.mov",
    "announced by the stream but not by its frames": f"{X264} -x264-params fake-interlaced=1 a.mkv",
    "not announced": "-c:v huffyuv -pix_fmt yuv422p a.avi",
    "bottom first and not announced": "-c:v huffyuv -pix_fmt yuv422p a.avi",
}


def weave(folder: Path, code: str, order: str = "tff") -> Path:
    """A white bar that moves over black, 50 fields in 25 frames a second."""
    size = "{}x{}".format(*TV)
    ground = f"-f lavfi -i color=black:s={size}:r=50:d=0.8"
    bar = f"-f lavfi -i color=white:s=60x{TV[1]}:r=50:d=0.8"
    fields = f"overlay=x={STEP}*n,interlace=scan={order}:lowpass=off,setfield={order}"
    return clips.ffmpeg(folder, f"{ground} {bar} -lavfi {fields} -pix_fmt yuv420p {code}")


def left_edges(path: Path) -> list[list[int]]:
    """Of each frame: where the bar begins in each line of its middle."""
    command = [str(clips.tools().ffmpeg), "-v", "error", "-i", str(path), "-fps_mode"]
    command += ["passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    gray = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    width, height = TV
    frames = [gray[at : at + width * height] for at in range(0, len(gray), width * height)]
    lines = range(height // 4, 3 * height // 4)
    rows = [[frame[y * width : (y + 1) * width] for y in lines] for frame in frames]
    return [[next(x for x in range(width) if row[x] > 128) for row in frame] for frame in rows]


@pytest.mark.parametrize("name", WOVEN, ids=lambda name: name.replace(" ", "_"))
def test_fields_are_put_together_without_combs(name: str, tmp_path: Path) -> None:
    clip = weave(tmp_path, WOVEN[name], "bff" if "bottom" in name else "tff")
    made, source = encode(clip, height=TV[1])
    assert source.video is not None
    assert source.video.interlaced
    before, after = left_edges(clip), left_edges(made)
    assert len(before) == len(after) == 20
    for number in range(2, 18):
        assert max(before[number]) - min(before[number]) == pytest.approx(STEP, abs=1)
        # Where the bar was when the first of the two fields was taken, in all lines.
        first = min(before[number])
        assert all(edge == pytest.approx(first, abs=2) for edge in after[number])
    assert labels(made) == LABELS


def test_whole_pictures_of_television_stay_as_they_are(tmp_path: Path) -> None:
    still = f"-f lavfi -i testsrc=s=720x480:r=25:d=0.8 -vf {BT709}"
    clip = clips.ffmpeg(tmp_path, f"{still} -c:v huffyuv -pix_fmt yuv422p a.avi")
    source, _ = ffmpeg.inspect(clip, clips.tools(), Inspection())
    assert source.video is not None
    assert (source.video.field_order, source.video.interlaced) == ("", False)


def test_film_in_television_fields_is_noted_and_every_frame_kept(tmp_path: Path) -> None:
    film = "-f lavfi -i testsrc2=s=720x480:r=24000/1001:d=1.5"
    pulled = "-vf telecine=pattern=23,setfield=tff -pix_fmt yuv420p"
    code = "-c:v mpeg2video -b:v 8M -flags +ildct+ilme film.mpg"
    made, source = encode(clips.ffmpeg(tmp_path, f"{film} {pulled} {code}"), height=480)
    assert source.video is not None
    assert source.video.telecine == "hard"
    assert int(judges.streams(made)[0]["nb_read_packets"]) == pytest.approx(45, abs=1)
