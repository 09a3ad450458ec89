"""What a tool may open and decode: lists of formats and decoders that no input gets around."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from adaptation.errors import SourceError

SOURCE_FORMATS = (
    "mov,matroska,mpegts,mpeg,avi,flv,asf,mxf,gxf,ogg,dv,yuv4mpegpipe,"
    "wav,mp3,flac,aac,ac3,eac3,h264,hevc,mpegvideo,m4v,ivf"
)
"""Containers that are read; none of them can name another file, as playlists do."""
ASSET_FORMATS = "hls,dash,mov,webvtt,mjpeg,jpeg_pipe"
"""Containers of our own output, which is read back to prove it."""
_TOO_LARGE = "exceeds specified max pixel count"
"""What a tool says of a picture with more than `MAX_PIXELS`."""
MAX_PIXELS = 35_389_440
"""The largest picture that is decoded (8192 x 4320); a bomb of 31 kB can hold more."""
PICTURE_CODECS = (
    "h264,hevc,vvc,av1,libdav1d,vp8,libvpx,vp9,libvpx-vp9,vp6,vp6f,vp6a,theora,flv1,flv,h261,h263,"
    "mpeg1video,mpeg2video,mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4v3,msmpeg4,wmv1,wmv2,wmv3,vc1,"
    "prores,dnxhd,cfhd,dvvideo,mjpeg,jpeg2000,ffv1,ffvhuff,huffyuv,utvideo,qtrle,png,"
    "rawvideo,v210,v308,v408,v410,yuv4,uyvy422,svq1,svq3,cinepak"
)
"""Names of codecs, and of their decoders where those are called otherwise: what cameras, editors
and encoders write. Old and rare ones are where decoders break (CVE-2026-8461 in MagicYUV)."""
SOUND_CODECS = (
    "aac,aac_latm,ac3,eac3,mp1,mp1float,mp2,mp2float,mp3,mp3float,opus,libopus,vorbis,flac,alac,"
    "dts,dca,truehd,mlp,wmav1,wmav2,wmapro,wmalossless,amr_nb,amrnb,amr_wb,amrwb,speex,s302m,"
    "adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,adpcm_g722,g722,adpcm_g726,g726,nellymoser,"
    "pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd,pcm_s8,pcm_u8,pcm_s16le,pcm_s16be,pcm_u16le,pcm_u16be,"
    "pcm_s24le,pcm_s24be,pcm_u24le,pcm_u24be,pcm_s32le,pcm_s32be,pcm_u32le,pcm_u32be,"
    "pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,wavpack,tta,gsm,gsm_ms,qdm2,qdmc"
)
"""The same for sound."""
OTHER_CODECS = (
    "mov_text,subrip,srt,ass,ssa,webvtt,text,dvdsub,dvbsub,pgssub,xsub,cc_dec,stl,sami,jacosub,"
    "microdvd,subviewer,libzvbi_teletextdec,libaribb24,libaribcaption,gif,bmp,webp"
)
"""Decoders of subtitles and of covers: ffprobe opens those of all streams, or none."""

_CODECS = frozenset(f"{PICTURE_CODECS},{SOUND_CODECS}".split(","))
_REFUSED = re.compile(r"\[([\w.,]+) @ [^\]]*\] (?:Format not|Codec \(([\w-]+)\) not) on whitelist")
_HINT = "Convert it to H.264 or ProRes with AAC or PCM in MP4, MOV or Matroska, then submit that."


def allowed_input(formats: str = SOURCE_FORMATS) -> list[str]:
    """The words that stand before an input, of FFmpeg and of ffprobe.

    Args:
        formats: names of demuxers, with commas between them.
    """
    return [
        # Not `crypto`, `data`, `subfile`, `concat`, nor any network.
        *("-protocol_whitelist", "file"),
        # Whatever a file is called and begins with, it is read as nothing else.
        *("-format_whitelist", formats),
        *("-codec_whitelist", f"{PICTURE_CODECS},{SOUND_CODECS},{OTHER_CODECS}"),
        *("-max_pixels", str(MAX_PIXELS)),
    ]


def with_guards(arguments: Sequence[str], formats: str = SOURCE_FORMATS) -> list[str]:
    """Put those words before every input of a command, whoever built it."""
    guarded: list[str] = []
    for argument in arguments:
        if argument == "-i":
            guarded += allowed_input(formats)
        guarded.append(argument)
    return guarded


def refuse_codecs(document: Mapping[str, Any], name: str) -> None:
    """Refuse a source with a track that nothing here may decode.

    Args:
        document: ffprobe's answer with its streams.
        name: what the source is called.

    Raises:
        SourceError: `source_format_refused`.
    """
    for stream in document.get("streams", ()):
        is_cover = bool(stream.get("disposition", {}).get("attached_pic"))
        codec = stream.get("codec_name", "unknown")
        is_shown = stream.get("codec_type") in {"video", "audio"} and not is_cover
        if is_shown and codec not in _CODECS | {"unknown", "none"}:
            raise SourceError(
                f"{name} has a track in {codec:.40}, which is not read",
                code="source_format_refused",
                hint=_HINT,
            )


def refused_input(stderr: str, name: str) -> SourceError | None:
    """The error for an input that a tool knew and was not allowed to read, if it was that."""
    if _TOO_LARGE in stderr:
        return SourceError(
            f"{name} has a picture that is too large",
            code="source_picture_too_large",
            hint=f"At most {MAX_PIXELS:,} pixels are read (8192 x 4320): scale it down first.",
        )
    match = _REFUSED.search(stderr)
    if match is None:
        return None
    what = f"has a track in {match[2]}" if match[2] else f"is in the format {match[1]:.40}"
    return SourceError(
        f"{name} {what}, which is not read", code="source_format_refused", hint=_HINT
    )
