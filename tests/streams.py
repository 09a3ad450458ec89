"""Makes HLS and DASH streams of a clip, each in a folder of its own, by copying its packets.

Each function says what makes its stream: FFmpeg's muxers, or Shaka Packager.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import clips
from fault_server import FaultServer, Resource

KEY = bytes(range(16))
VIDEO_AND_SOUND = "-i {clip} -map 0:v -map 0:a -c copy"


def make_clip(folder: Path) -> Path:
    """2 s at 25 fps with B-frames, a key frame each 12 frames, sound that begins 0.2 s late."""
    inputs = f"{clips.picture('160x90', seconds=2)} -itsoffset 0.2 {clips.beep(seconds=1.8)}"
    code = "-c:v libx264 -preset veryfast -bf 2 -g 12 -pix_fmt yuv420p -c:a aac"
    return clips.ffmpeg(folder, f"{inputs} {code} clip.mp4")


def hls(clip: Path, folder: Path, options: str = "", sources: str = VIDEO_AND_SOUND) -> Path:
    """`-f hls -hls_time 0.4 -hls_playlist_type vod`: MPEG-TS unless told otherwise."""
    words = f"{sources.format(clip=clip)} -f hls -hls_time 0.4 -hls_playlist_type vod"
    return clips.ffmpeg(folder, f"{words} {options} index.m3u8")


def hls_fragmented(clip: Path, folder: Path) -> Path:
    """Fragmented MP4 with an init segment: `-hls_segment_type fmp4`."""
    return hls(clip, folder, "-hls_segment_type fmp4")


def hls_ranges(clip: Path, folder: Path) -> Path:
    """One file of fragmented MP4, of which each segment is a range: `-hls_flags single_file`."""
    return hls(clip, folder, "-hls_segment_type fmp4 -hls_flags single_file")


def hls_encrypted(clip: Path, folder: Path) -> Path:
    """AES-128 with a told IV: `-hls_key_info_file`."""
    folder.mkdir(parents=True)
    (folder / "secret.key").write_bytes(KEY)
    (folder / "about.txt").write_text(f"secret.key\n{folder / 'secret.key'}\n{'0f' * 16}\n")
    return hls(clip, folder, "-hls_key_info_file about.txt")


def hls_encrypted_by_number(clip: Path, folder: Path) -> Path:
    """AES-128 without an IV, whose place the number of a segment takes, from 7 on."""
    folder.mkdir(parents=True)
    (folder / "secret.key").write_bytes(KEY)
    (folder / "about.txt").write_text(f"secret.key\n{folder / 'secret.key'}\n")
    return hls(clip, folder, "-hls_key_info_file about.txt -start_number 7")


def hls_apart(clip: Path, folder: Path) -> Path:
    """Picture in two qualities and sound in two languages, each in a playlist: a master names them.

    Sound is MPEG-TS in English, and packed AAC in French.
    """
    # Late enough that no muxer must shift what begins before zero: all share one clock.
    late = "-c copy -output_ts_offset 1"
    picture, sound = f"-i {{clip}} -map 0:v {late}", f"-i {{clip}} -map 0:a {late}"
    hls(clip, folder / "high", sources=picture)
    hls(clip, folder / "low", sources="-i {clip} -map 0:v -c:v libx264 -vf scale=80:-2 -g 12")
    hls(clip, folder / "en", sources=sound)
    hls(clip, folder / "fr", "-hls_segment_filename %d.aac", sound)
    master = folder / "index.m3u8"
    media = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="{0}",LANGUAGE="{0}",DEFAULT={1}'
    master.write_text(
        "#EXTM3U\n"
        + media.format("en", "NO") + ',URI="en/index.m3u8"\n'
        + media.format("fr", "YES") + ',URI="fr/index.m3u8"\n'
        + '#EXT-X-STREAM-INF:BANDWIDTH=100000,AUDIO="a",RESOLUTION=80x44\nlow/index.m3u8\n'
        + '#EXT-X-STREAM-INF:BANDWIDTH=900000,AUDIO="a",RESOLUTION=160x90\nhigh/index.m3u8\n'
    )  # fmt: skip
    return master


def dash(clip: Path, folder: Path, options: str) -> Path:
    """`-f dash -seg_duration 0.4`."""
    sets = '-adaptation_sets "id=0,streams=v id=1,streams=a"'
    words = f"{VIDEO_AND_SOUND.format(clip=clip)} -f dash -seg_duration 0.4 {sets}"
    return clips.ffmpeg(folder, f"{words} {options} index.mpd")


def dash_by_time(clip: Path, folder: Path) -> Path:
    """SegmentTemplate with a SegmentTimeline and $Time$."""
    return dash(clip, folder, "-media_seg_name $RepresentationID$-$Time$.m4s")


def dash_by_number(clip: Path, folder: Path) -> Path:
    """SegmentTemplate with a duration and $Number%05d$: `-use_timeline 0`."""
    return dash(clip, folder, "-use_timeline 0")


def dash_list(clip: Path, folder: Path) -> Path:
    """SegmentList over files: `-use_template 0`."""
    return dash(clip, folder, "-use_template 0 -use_timeline 0")


def dash_ranges(clip: Path, folder: Path) -> Path:
    """SegmentList over ranges of one file a track: `-single_file 1`."""
    return dash(clip, folder, "-single_file 1 -use_template 0 -use_timeline 0")


def dash_on_demand(clip: Path, folder: Path) -> Path:
    """SegmentBase: one file with an index a track, by Shaka Packager."""
    return packaged(clip, folder)


def dash_encrypted(clip: Path, folder: Path) -> Path:
    """Common encryption, by Shaka Packager with a raw key."""
    key = "label=:key_id=00112233445566778899aabbccddeeff:key=00112233445566778899aabbccddeeff"
    return packaged(clip, folder, "--enable_raw_key_encryption", "--keys", key)


def packaged(clip: Path, folder: Path, *options: str) -> Path:
    """Packager's `in=clip.mp4,stream=…,output=….mp4 … --mpd_output index.mpd`."""
    folder.mkdir(parents=True)
    command = [str(clips.tools().packager), "--quiet"]
    command += [f"in={clip},stream={kind},output={kind}.mp4" for kind in ("video", "audio")]
    command += ["--segment_duration", "0.4", "--mpd_output", "index.mpd", *options]
    subprocess.run(command, cwd=folder, check=True, timeout=60, capture_output=True)
    return folder / "index.mpd"


def serve(server: FaultServer, folder: Path) -> None:
    """Serve all files of a folder under its own name."""
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder.parent).as_posix()
            server.add(f"/{name}", Resource(path.read_bytes(), "application/octet-stream"))
