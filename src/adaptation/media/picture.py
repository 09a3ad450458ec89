"""Plans the filters that make any picture SDR in BT.709: 8 bit, 4:2:0, with square pixels."""

from __future__ import annotations

from typing import Literal

from adaptation.media.probe import VideoTrack

HD_HEIGHT = 720
"""From here up unlabelled pictures are taken for BT.709, below for BT.601, as players do."""
REFERENCE_WHITE_NITS = 203
"""What HDR shows white paper and captions at, in cd/m²: ITU-R BT.2408 §2.2. It becomes 1.0 of
linear light here, so that SDR material inside HDR comes back as bright as it was."""
USUAL_PEAK_NITS = 1000
"""The peak of HLG's reference display (BT.2100) and of most PQ masters, where none is stated."""
LEAST_PEAK_NITS, MOST_PEAK_NITS = 400, 10_000
"""Peaks outside of it are slips of a tool: less is no HDR, more is beyond PQ."""
KNEE = 0.5
"""Part of reference white up to which light is kept as it is; above, it bends towards the peak.
White comes out at 90 % of the signal, and the rest is left for highlights."""
HDR_TRANSFERS: dict[str, Literal["pq", "hlg"]] = {"smpte2084": "pq", "arib-std-b67": "hlg"}
"""The two curves of ITU-R BT.2100 by FFmpeg's names."""
MATRICES = {
    "bt709": "bt709",
    "smpte170m": "smpte170m",
    "bt470bg": "bt470",
    "fcc": "fcc",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}
"""Matrices that the scaler knows, by ffprobe's names."""
PRIMARIES = frozenset(
    {"bt470m", "bt470bg", "smpte170m", "smpte240m", "film", "bt2020", "smpte431", "smpte432"}
)
"""Primaries other than those of BT.709 that are converted where a source states them."""
MATRIX_OF_PRIMARIES = {
    "bt709": "bt709",
    "bt2020": "bt2020nc",
    "smpte170m": "smpte170m",
    "bt470bg": "bt470bg",
}
"""What colours are coded by when only the primaries are stated."""
RGB_NAMES = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8")
"""How FFmpeg's names of pixel formats without a matrix begin."""
DEPTHS = ("", "10le", "12le", "16le")
"""Ends of the names of planar formats: 8 bits and more."""
LABELS = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"


def hdr_kind(video: VideoTrack) -> Literal["", "pq", "hlg"]:
    """Which kind of HDR a picture is; empty for SDR."""
    return HDR_TRANSFERS.get(video.transfer, "")


def notes(video: VideoTrack) -> list[str]:
    """What is done to a picture that its owner may want to know, a sentence each."""
    told = []
    if kind := hdr_kind(video):
        peak = f"{video.peak_nits} cd/m²" if video.peak_nits else "an unknown peak"
        told.append(f"HDR ({kind.upper()}, {peak}) is tone-mapped to SDR")
    if video.telecine:
        told.append(f"film in television's fields ({video.telecine} telecine) is left as it is")
    if video.interlaced:
        how = f"seen in the pictures, {video.parity}" if video.parity else "as its frames say"
        told.append(f"interlaced: two fields become one frame ({how})")
    return told


def decoder_options(video: VideoTrack) -> list[str]:
    """Options before the input that choose its decoder, where FFmpeg's choice loses something."""
    # FFmpeg's own decoders of VP8 and VP9 know nothing of transparency.
    library = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(video.codec)
    return [f"-c:{video.index}", library] if library and video.has_alpha else []


def deinterlacing(video: VideoTrack) -> list[str]:
    """One frame for two fields, so that the number of frames stays; nothing for whole frames."""
    if not video.interlaced:
        return []
    # Frames say themselves whether they are made of fields, so that whole ones among them stay
    # as they are; unless nothing announces the fields that were seen.
    which = f"parity={video.parity}:deint=all" if video.parity else "deint=interlaced"
    return [f"bwdif=mode=send_frame:{which}"]


def picture_filters(video: VideoTrack, size: tuple[int, int]) -> list[str]:
    """From the source's frames to the size, the colours and the samples of the output.

    Most pictures are converted by the scaler on the way to their size. HDR and other primaries
    than those of BT.709 need linear light: they are scaled first, so that only the pixels of the
    largest rung are paid for.

    Args:
        video: the source's picture.
        size: even width and height of the output.
    """
    matrix = source_matrix(video)
    flat = _flattened(matrix) if video.has_alpha or not video.pixel_format else []
    filters = _through_light(video, size) if _needs_light(video) else [_scaled(size, matrix)]
    # The size is the displayed one: HLS and DASH would disagree about any other shape.
    return [*flat, *filters, LABELS, "setsar=1", "format=yuv420p"]


def source_matrix(video: VideoTrack) -> str:
    """What the source's colours are coded by, in ffprobe's words: as stated, else as usual."""
    if video.color_space in MATRICES:
        return video.color_space
    usual = "bt709" if min(video.width, video.height) >= HD_HEIGHT else "smpte170m"
    return "bt2020nc" if hdr_kind(video) else MATRIX_OF_PRIMARIES.get(video.primaries, usual)


def _needs_light(video: VideoTrack) -> bool:
    is_other = video.primaries in PRIMARIES or video.color_space == "bt2020c"
    return is_other or bool(hdr_kind(video))


def _scaled(size: tuple[int, int], matrix: str) -> str:
    # Colours are converted while scaling, so that the labels are true.
    return (
        f"scale={size[0]}:{size[1]}:flags=bicubic:in_color_matrix={MATRICES[matrix]}"
        ":out_color_matrix=bt709:out_range=tv:out_chroma_loc=left"
    )


def _flattened(matrix: str) -> list[str]:
    """The picture before black, by its alpha channel; what is transparent may have any colour."""
    return [
        f"scale=in_color_matrix={MATRICES[matrix]}:out_range=pc",
        f"format={_planar('gbrap')}",
        "premultiply=inplace=1",
        f"format={_planar('gbrp')}",
    ]


def _planar(name: str) -> str:
    return "|".join(f"{name}{depth}" for depth in DEPTHS)


def _through_light(video: VideoTrack, size: tuple[int, int]) -> list[str]:
    """Scale as coded, then convert each pixel by way of linear light."""
    matrix = source_matrix(video)
    same = MATRICES[matrix]
    filters = [
        f"scale={size[0]}:{size[1]}:flags=bicubic:in_color_matrix={same}"
        f":out_color_matrix={same}:out_range=tv"
    ]
    # 12 bits keep what RGB of any depth holds once a matrix has mixed its colours.
    filters += ["format=yuv444p12le"] if _is_rgb(video) else []
    coded = f"rangein=tv:matrixin={matrix}:primariesin={_primaries(video)}"
    target = "range=tv:matrix=bt709:primaries=bt709:transfer=bt709:chromal=left:dither=ordered"
    if not hdr_kind(video):
        # All SDR curves count as the one they are shown with: only colours differ.
        return [*filters, f"zscale={coded}:transferin=bt709:{target}"]
    nits = min(max(video.peak_nits or USUAL_PEAK_NITS, LEAST_PEAK_NITS), MOST_PEAK_NITS)
    # HLG's display gamma works on luminance; the quick way, channel by channel, shifts colours.
    exact = ":agamma=0" if hdr_kind(video) == "hlg" else ""
    return [
        *filters,
        f"zscale={coded}:transferin={video.transfer}:transfer=linear:primaries=bt709"
        f":npl={REFERENCE_WHITE_NITS}{exact}",
        "format=gbrpf32le",
        # The peak is the same for all chunks, whatever their frames say of themselves.
        f"tonemap=mobius:param={KNEE}:peak={nits / REFERENCE_WHITE_NITS:.4f}:desat=0",
        f"zscale={target}",
        # What frames say of HDR mastering is true no longer.
        "sidedata=mode=delete:type=MASTERING_DISPLAY_METADATA",
        "sidedata=mode=delete:type=CONTENT_LIGHT_LEVEL",
    ]


def _primaries(video: VideoTrack) -> str:
    usual = "bt2020" if hdr_kind(video) or video.color_space == "bt2020c" else "bt709"
    return video.primaries if video.primaries in PRIMARIES else usual


def _is_rgb(video: VideoTrack) -> bool:
    """Also once it is flattened."""
    return not video.pixel_format or video.has_alpha or video.pixel_format.startswith(RGB_NAMES)
