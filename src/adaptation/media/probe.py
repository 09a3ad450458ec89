"""What a source holds: its tracks, its chapters and the facts of its container."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from adaptation.errors import SourceError

UNKNOWN_LANGUAGE = "und"
"""ISO 639-2: undetermined."""
INTERLACED = frozenset({"tt", "bb", "tb", "bt"})
"""ffprobe's words for pictures made of two fields."""
NOT_STATED = frozenset({"", "unknown", "unspecified", "reserved", "none"})
"""ffprobe's words for a fact that a stream does not state."""
ALPHA_FORMAT = re.compile(r"(yuva|gbrap|ya8|ya16|rgba|bgra|argb|abgr|pal8|ayuv|vuya|uyva)")
"""How FFmpeg's names of pixel formats with an alpha channel begin."""
TEXT_CODECS = frozenset({"mov_text", "subrip", "ass", "ssa", "webvtt", "text"})
"""ffprobe's names of the subtitles that FFmpeg turns into WebVTT."""
IMAGE_CODECS = frozenset({"dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle", "xsub"})
"""ffprobe's names of the subtitles that are pictures."""
CAPTION_CODECS = frozenset({"eia_608", "c608", "c708"})
"""Names of closed captions."""
RESHAPING = frozenset({"Display Matrix", "Frame Cropping"})
"""ffprobe's names of what makes a container's picture another than the stored one."""
UNNAMED_SUBTITLES = frozenset({"wvtt", "c608", "c708"})
"""Tags of subtitles in MP4 that ffprobe takes for data."""


@dataclass(frozen=True)
class VideoTrack:
    """The picture, as it is meant to be shown."""

    index: int
    """Stream index in the source."""
    codec: str
    """ffprobe's name, such as `h264`."""
    width: int
    """Pixels after rotation and sample aspect ratio."""
    height: int
    """Pixels after rotation and sample aspect ratio."""
    rotation: int
    """Degrees clockwise that turn the stored picture upright: 0, 90, 180 or 270."""
    frame_rate: Fraction
    """Average frames per second as announced; 0 when unknown."""
    pixel_format: str
    """FFmpeg's name, such as `yuv420p`."""
    color_space: str
    """FFmpeg's name of the matrix, such as `bt709`; empty when not stated."""
    interlaced: bool
    """Whether the pictures are made of two fields."""
    primaries: str = ""
    """FFmpeg's name of the primary colours, such as `bt2020`; empty when not stated."""
    transfer: str = ""
    """FFmpeg's name of the curve, such as `smpte2084`; empty when not stated."""
    color_range: str = ""
    """`tv` (16 to 235) or `pc` (0 to 255); empty when not stated."""
    has_alpha: bool = False
    """Whether parts of the picture may be transparent."""
    peak_nits: int = 0
    """The brightest light of an HDR master in cd/m²; 0 when not stated."""
    field_order: str = ""
    """ffprobe's word, such as `progressive` or `tt`; empty when not stated."""
    parity: str = ""
    """`tff` or `bff` for fields that were only found by looking; frames tell of others."""
    telecine: str = ""
    """`soft` or `hard` when film at 24 frames is shown by repeated fields; else empty."""
    bitrate: int = 0
    """Bits per second of the picture alone, measured by its packets; 0 until they were read."""
    profile: str = ""
    """FFmpeg's name of the codec's profile, such as `High`; empty when not stated."""
    level: int = 0
    """Of H.264: ten times the level, such as 41; 0 when not stated."""
    tag: str = ""
    """The container's name of the codec, such as `avc1`; ffprobe's word where it has none."""
    square_pixels: bool = True
    """Whether the stored pixels are as wide as they are high."""
    reshaped: bool = False
    """Whether the container turns, mirrors or crops what is stored."""


@dataclass(frozen=True)
class AudioTrack:
    """One sound track."""

    index: int
    """Stream index in the source."""
    codec: str
    """ffprobe's name, such as `aac`."""
    channels: int
    """Number of channels."""
    sample_rate: int
    """Hertz."""
    language: str = UNKNOWN_LANGUAGE
    """ISO 639 code as found."""
    title: str = ""
    """Name as found."""
    start_seconds: float = 0.0
    """Time of the first packet on the source's clock."""
    end_seconds: float = 0.0
    """Time at which the last packet ends on the source's clock."""


@dataclass(frozen=True)
class SubtitleTrack:
    """One subtitle track."""

    index: int
    """Stream index in the source."""
    codec: str
    """ffprobe's name, such as `mov_text`; the container's tag where it has none."""
    language: str = UNKNOWN_LANGUAGE
    """ISO 639 code as found."""
    title: str = ""
    """Name as found."""
    default: bool = False
    """Whether it is meant to be shown unless the viewer chooses otherwise."""
    forced: bool = False
    """Whether it only says what everybody needs, such as signs and foreign speech."""
    hearing_impaired: bool = False
    """Whether it tells sounds as well."""

    @property
    def is_text(self) -> bool:
        """Whether it can become WebVTT."""
        return self.codec in TEXT_CODECS

    def __str__(self) -> str:
        """What people call it."""
        return f"subtitle track {self.index} ({self.codec}, {self.language})"


@dataclass(frozen=True)
class Chapter:
    """A named part of a source."""

    start_seconds: float
    """On the source's clock; once the packets were read, from the first frame."""
    end_seconds: float
    """On the same clock."""
    title: str
    """As found; empty when it has none."""


@dataclass(frozen=True)
class Source:
    """A probed source."""

    format_name: str
    """FFmpeg's name of the container, such as `mov,mp4,m4a,3gp,3g2,mj2`."""
    duration_seconds: float
    """From the first frame to the end of the longest track; until the packets were read, what
    the container announces."""
    size_bytes: int
    """Size of the file."""
    bitrate: int
    """Bits per second over all tracks."""
    video: VideoTrack | None
    """The picture, none for pure sound."""
    audio: tuple[AudioTrack, ...]
    """All sound tracks in the source's order."""
    subtitles: tuple[SubtitleTrack, ...] = ()
    """All subtitle tracks in the source's order, also those that cannot become text."""
    chapters: tuple[Chapter, ...] = ()
    """In the source's order."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        document = asdict(self)
        if self.video is not None:
            document["video"]["frame_rate"] = str(self.video.frame_rate)
        for name in ("audio", "subtitles", "chapters"):
            document[name] = [asdict(item) for item in getattr(self, name)]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Source:
        """Read what `to_json` wrote."""
        video = document["video"]
        if video is not None:
            video = VideoTrack(**{**video, "frame_rate": Fraction(video["frame_rate"])})
        audio = tuple(AudioTrack(**track) for track in document["audio"])
        subtitles = tuple(SubtitleTrack(**track) for track in document["subtitles"])
        chapters = tuple(Chapter(**chapter) for chapter in document["chapters"])
        read = {"video": video, "audio": audio, "subtitles": subtitles, "chapters": chapters}
        return cls(**{**document, **read})


def parse_source(document: Mapping[str, Any]) -> Source:
    """Read the answer of `ffprobe -of json -show_format -show_streams -show_chapters`.

    Raises:
        SourceError: `source_unreadable`, a picture without a size.
    """
    streams: Sequence[Mapping[str, Any]] = document.get("streams", [])
    facts: Mapping[str, Any] = document.get("format", {})
    return Source(
        format_name=str(facts.get("format_name", "")),
        duration_seconds=_number(facts.get("duration")),
        size_bytes=int(_number(facts.get("size"))),
        bitrate=int(_number(facts.get("bit_rate"))),
        video=_main_picture(streams),
        audio=tuple(_audio(s) for s in streams if _is_audio(s)),
        subtitles=tuple(_subtitles(s) for s in streams if _is_subtitles(s)),
        chapters=tuple(_chapter(chapter) for chapter in document.get("chapters", [])),
    )


def _main_picture(streams: Sequence[Mapping[str, Any]]) -> VideoTrack | None:
    """The default picture, else the largest; cover art and thumbnails are none."""
    pictures = [s for s in streams if s.get("codec_type") == "video" and not is_cover(s)]
    if not pictures:
        return None
    return _video(max(pictures, key=_preference))


def is_cover(stream: Mapping[str, Any]) -> bool:
    """Whether a video stream is cover art or a thumbnail, in ffprobe's words."""
    disposition: Mapping[str, Any] = stream.get("disposition", {})
    return any(
        disposition.get(kind) for kind in ("attached_pic", "timed_thumbnails", "still_image")
    )


def _preference(stream: Mapping[str, Any]) -> tuple[int, int, int]:
    is_default = int(stream.get("disposition", {}).get("default", 0))
    area = int(stream.get("width", 0)) * int(stream.get("height", 0))
    return is_default, area, -int(stream["index"])


def _is_audio(stream: Mapping[str, Any]) -> bool:
    return stream.get("codec_type") == "audio" and int(_number(stream.get("channels"))) > 0


def _video(stream: Mapping[str, Any]) -> VideoTrack:
    _check_dolby_vision(stream)
    rotation = _rotation(stream)
    width, height = _display_size(stream, rotation)
    return VideoTrack(
        index=int(stream["index"]),
        codec=str(stream.get("codec_name", "unknown")),
        width=width,
        height=height,
        rotation=rotation,
        frame_rate=_ratio(stream.get("avg_frame_rate"), "/"),
        pixel_format=_stated(stream, "pix_fmt"),
        color_space=_stated(stream, "color_space"),
        interlaced=stream.get("field_order") in INTERLACED,
        primaries=_stated(stream, "color_primaries"),
        transfer=_stated(stream, "color_transfer"),
        color_range=_stated(stream, "color_range"),
        has_alpha=_has_alpha(stream),
        field_order=_stated(stream, "field_order"),
        peak_nits=peak_nits(stream.get("side_data_list", [])),
        profile=_stated(stream, "profile"),
        level=max(0, int(_number(stream.get("level")))),
        tag=str(stream.get("codec_tag_string", "")),
        square_pixels=_pixel_shape(stream) == 1,
        reshaped=any(
            side_data.get("side_data_type") in RESHAPING
            for side_data in stream.get("side_data_list", [])
        ),
    )


def peak_nits(side_data: Sequence[Mapping[str, Any]]) -> int:
    """The brightest light of an HDR master in cd/m², from a stream's or a frame's side data.

    The brightest pixel of the content (CTA-861.3) counts more than what the display that it was
    graded on can show (SMPTE ST 2086). 0 when neither is stated.
    """
    content = max((_number(entry.get("max_content")) for entry in side_data), default=0)
    display = max(
        (float(_ratio(entry.get("max_luminance"), "/")) for entry in side_data), default=0
    )
    return round(content or display)


def _stated(stream: Mapping[str, Any], name: str) -> str:
    value = str(stream.get(name, ""))
    return "" if value in NOT_STATED else value


def _has_alpha(stream: Mapping[str, Any]) -> bool:
    # VP8 and VP9 keep transparency in a second picture, which only a tag of WebM tells of.
    tags = {str(name).lower(): value for name, value in stream.get("tags", {}).items()}
    is_tagged = str(tags.get("alpha_mode", "0")) == "1"
    return is_tagged or bool(ALPHA_FORMAT.match(str(stream.get("pix_fmt", ""))))


def _check_dolby_vision(stream: Mapping[str, Any]) -> None:
    """Refuse pictures that are neither SDR, HDR10 nor HLG without Dolby's own processing."""
    for side_data in stream.get("side_data_list", []):
        # Compatibility 0: coded in a colour space of its own, green and violet for everybody else.
        if side_data.get("dv_bl_signal_compatibility_id") == 0:
            raise SourceError(
                f"the picture is Dolby Vision profile {side_data.get('dv_profile')}, "
                "which only Dolby's own decoders show in its colours",
                code="source_dolby_vision",
                hint="Export it as HDR10, HLG, SDR, or Dolby Vision profile 8.",
            )


def _display_size(stream: Mapping[str, Any], rotation: int) -> tuple[int, int]:
    width, height = int(stream.get("width", 0)), int(stream.get("height", 0))
    if width <= 0 or height <= 0:
        raise SourceError(
            "the picture has no size",
            code="source_unreadable",
            hint="The file is damaged or has no picture FFmpeg can read; export it again.",
        )
    # Only the width is stretched: the number of lines is what ladders and people go by.
    shown = max(1, round(width * _pixel_shape(stream)))
    return (height, shown) if rotation in (90, 270) else (shown, height)


def _pixel_shape(stream: Mapping[str, Any]) -> Fraction:
    """Width of a stored pixel by its height; square when not stated."""
    return _ratio(stream.get("sample_aspect_ratio"), ":") or Fraction(1)


def _rotation(stream: Mapping[str, Any]) -> int:
    """Degrees clockwise; the display matrix counts the other way round."""
    for side_data in stream.get("side_data_list", []):
        if "rotation" in side_data:
            return round(-_number(side_data["rotation"]) / 90) * 90 % 360
    return 0


def _audio(stream: Mapping[str, Any]) -> AudioTrack:
    tags: Mapping[str, Any] = stream.get("tags", {})
    return AudioTrack(
        index=int(stream["index"]),
        codec=str(stream.get("codec_name", "unknown")),
        channels=int(_number(stream.get("channels"))),
        sample_rate=int(_number(stream.get("sample_rate"))),
        language=str(tags.get("language") or UNKNOWN_LANGUAGE).lower(),
        title=str(tags.get("title", "")),
    )


def _is_subtitles(stream: Mapping[str, Any]) -> bool:
    is_unnamed = stream.get("codec_tag_string") in UNNAMED_SUBTITLES
    return stream.get("codec_type") == "subtitle" or is_unnamed


def _subtitles(stream: Mapping[str, Any]) -> SubtitleTrack:
    tags: Mapping[str, Any] = stream.get("tags", {})
    disposition: Mapping[str, Any] = stream.get("disposition", {})
    named = stream.get("codec_name", "unknown")
    return SubtitleTrack(
        index=int(stream["index"]),
        codec=str(stream["codec_tag_string"] if named == "unknown" else named),
        language=str(tags.get("language") or UNKNOWN_LANGUAGE).lower(),
        # `name` is where MP4 has what Matroska calls a title.
        title=str(tags.get("title") or tags.get("name") or ""),
        default=bool(disposition.get("default")),
        forced=bool(disposition.get("forced")),
        hearing_impaired=bool(disposition.get("hearing_impaired")),
    )


def _chapter(chapter: Mapping[str, Any]) -> Chapter:
    return Chapter(
        start_seconds=_number(chapter.get("start_time")),
        end_seconds=_number(chapter.get("end_time")),
        title=str(chapter.get("tags", {}).get("title", "")),
    )


def _ratio(text: object, separator: str) -> Fraction:
    """A ratio such as `30000/1001` or `16:15`; 0 when unknown."""
    above, _, below = str(text).partition(separator)
    if not above.isdigit() or not below.isdigit() or int(below) == 0:
        return Fraction(0)
    return Fraction(int(above), int(below))


def _number(text: object) -> float:
    """A number ffprobe printed; 0 for `N/A` and for nothing."""
    try:
        return float(str(text))
    except ValueError:
        return 0.0
