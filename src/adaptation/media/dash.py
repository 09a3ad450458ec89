"""Writes the DASH manifest of an asset, ISO/IEC 23009-1, over the same segments as HLS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from math import ceil

from lxml import etree

from adaptation.media.dash_segments import indexed, template
from adaptation.media.index import Track, codec_sets
from adaptation.media.labels import distinct, printable, text_labels, track_labels
from adaptation.media.language import language_tag
from adaptation.media.roles import sound_roles, text_roles
from adaptation.media.sounds import default_sound, family, main_sounds, versions_of
from adaptation.media.texttrack import TextTrack, default_text
from adaptation.media.trickplay import ImageTrack, TrickPlay

MANIFEST_NAME = "manifest.mpd"
"""File of the manifest, at the root of the asset."""
NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
"""ISO/IEC 23009-1 §5.2.2."""
NAMESPACES: dict[str, str] = {None: NAMESPACE}  # type: ignore[dict-item]  # the stubs lack None
"""Makes it the default namespace."""
PROFILES = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019"
"""Segment templates over CMAF tracks, ISO/IEC 23009-1 §8.4 and §8.12."""
INDEXED_PROFILES = "urn:mpeg:dash:profile:isoff-on-demand:2011,urn:mpeg:dash:profile:cmaf:2019"
"""CMAF tracks with all segments in one file and an index, §8.3 and §8.12."""
MIXED_PROFILES = "urn:mpeg:dash:profile:full:2011,urn:mpeg:dash:profile:cmaf:2019"
"""Some tracks so and some so, §8.2."""
UPDATE_SECONDS = Fraction(2)
"""How often a player asks whether an asset has grown."""
CHANNEL_SCHEME = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
"""Says a number of channels, ISO/IEC 23009-1 §5.8.5.4."""
ROLE_SCHEME = "urn:mpeg:dash:role:2011"
"""Says what a track is for, ISO/IEC 23009-1 §5.8.5.5."""
AUDIENCE_SCHEME = "urn:tva:metadata:cs:AudioPurposeCS:2007"
"""Says who needs a track: 1, who sees badly; 2, who hears badly; DASH-IF IOP §3.9.3."""
DESCRIPTION_ID = "1"
"""Of the label that is a description; that of the name is 0, ISO/IEC 23009-1 §5.3.10.2."""
TRICK_SCHEME = "http://dashif.org/guidelines/trickmode"
"""Says of which set a track is for searching, DASH-IF IOP §3.2.9."""
TRANSFER_SCHEME = "urn:mpeg:mpegB:cicp:TransferCharacteristics"
"""ISO/IEC 23091-2. HLG is as well seen without knowing of it, PQ is not."""
TILE_SCHEME = "http://dashif.org/guidelines/thumbnail_tile"
"""Says how thumbnails lie in an image, DASH-IF IOP §6.2.6."""
FASTEST = 32
"""Times the usual speed at which single pictures are meant to be searched."""
TILE_TEMPLATE = "$Number%05d$.jpg"
"""Files of images, counted from 1."""
_CHANNELS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_CODECS = {"ac-3": "AC-3", "ec-3": "E-AC-3"}


@dataclass(frozen=True)
class Growth:
    """What a manifest says of an asset that still grows."""

    available_since: datetime
    """Such that each segment counts as available when it is listed: all of the asset before now."""
    published_at: datetime
    """Now."""
    longest_segment: Fraction
    """Seconds that no segment will exceed by much."""


def manifest(
    tracks: Sequence[Track],
    texts: Sequence[TextTrack] = (),
    growth: Growth | None = None,
    trick: TrickPlay | None = None,
) -> str:
    """The manifest of an asset: static, or dynamic as long as it grows.

    Times count from the first frame. The edit list in each init segment maps the media to that
    clock (pictures: reordering, sound: priming), so no `presentationTimeOffset` is needed: it
    would shift the media a second time.

    Args:
        tracks: at least one picture; of the sounds one is the main one, see `default_sound`.
        texts: subtitles.
        growth: of an asset of which there will be more, ISO/IEC 23009-1 §5.3.1.
        trick: what there is for searching; of that, DASH has the track and the thumbnails.
    """
    pictures = [track for track in tracks if track.kind == "video"]
    sounds = [track for track in tracks if track.kind == "audio"]
    profiles = _profiles(tracks, texts, trick)
    root = _growing_root(growth) if growth else _root(tracks, profiles)
    # Says what is so anyway, but FFmpeg needs it to find segments beside a relative path.
    etree.SubElement(root, "BaseURL").text = "./"
    period = etree.SubElement(root, "Period", id="0", start="PT0S")
    _pictures(period, pictures)
    for number, one in enumerate(_sound_sets(sounds)):
        _sound(period, one, number)
    _all_subtitles(period, texts)
    if trick:
        _trick(period, trick.track, pictures)
    if trick and trick.images:
        _images(period, trick.images)
    text = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text.decode()


def _profiles(tracks: Sequence[Track], texts: Sequence[TextTrack], trick: TrickPlay | None) -> str:
    addressed = {track.is_one_file for track in tracks}
    addressed |= {False for text in texts if text.media}
    if trick:
        addressed |= {trick.track.is_one_file, *([False] if trick.images else [])}
    if len(addressed) > 1:
        return MIXED_PROFILES
    return INDEXED_PROFILES if addressed == {True} else PROFILES


def _root(tracks: Sequence[Track], profiles: str) -> etree._Element:
    duration = max(track.duration_seconds for track in tracks)
    longest = max(Fraction(s.duration, t.timescale) for t in tracks for s in t.segments)
    return etree.Element(
        f"{{{NAMESPACE}}}MPD",
        nsmap=NAMESPACES,
        profiles=profiles,
        type="static",
        mediaPresentationDuration=_period(duration),
        maxSegmentDuration=_period(longest),
        minBufferTime=_period(longest),
    )


def _growing_root(growth: Growth) -> etree._Element:
    return etree.Element(
        f"{{{NAMESPACE}}}MPD",
        nsmap=NAMESPACES,
        profiles=PROFILES,
        type="dynamic",
        availabilityStartTime=_moment(growth.available_since),
        publishTime=_moment(growth.published_at),
        minimumUpdatePeriod=_period(UPDATE_SECONDS),
        maxSegmentDuration=_period(growth.longest_segment),
        minBufferTime=_period(growth.longest_segment),
    )


def _pictures(period: etree._Element, tracks: Sequence[Track]) -> None:
    """All renditions of a codec in one set, so that players switch between them."""
    for number, group in enumerate(codec_sets(tracks)):
        adaptation_set = etree.SubElement(
            period,
            "AdaptationSet",
            id=f"video-{number}",
            contentType="video",
            mimeType="video/mp4",
            maxWidth=str(max(track.width for track in group)),
            maxHeight=str(max(track.height for track in group)),
            segmentAlignment="true",
            startWithSAP="1",
        )
        if group[0].video_range != "SDR":
            transfer = str(group[0].transfer)
            kind = "EssentialProperty" if group[0].video_range == "PQ" else "SupplementalProperty"
            etree.SubElement(adaptation_set, kind, schemeIdUri=TRANSFER_SCHEME, value=transfer)
        etree.SubElement(adaptation_set, "Role", schemeIdUri=ROLE_SCHEME, value="main")
        for track in group:
            _representation(
                adaptation_set,
                track,
                width=str(track.width),
                height=str(track.height),
                frameRate=_rate(track.frame_rate),
                sar="1:1",
            )


@dataclass(frozen=True)
class _SoundSet:
    """Tracks of one sound among which players switch."""

    main: Track
    """The version of it that is offered first."""
    tracks: list[Track]
    """One codec and one number of channels."""
    label: str
    is_default: bool


def _sound_sets(sounds: Sequence[Track]) -> list[_SoundSet]:
    """A set for each sound, codec and number of channels; first all sounds, then other versions."""
    mains = main_sounds(sounds)
    default = default_sound(mains)
    found, labels = list[_SoundSet](), track_labels(mains)
    for main, label in zip(mains, labels, strict=True):
        sets = dict[tuple[str, int], list[Track]]()
        for track in versions_of(main, sounds).values():
            sets.setdefault((family(track), track.channels), []).append(track)
        for (codec, channels), tracks in sets.items():
            told = [_CHANNELS.get(channels, f"{channels}ch")] if channels != main.channels else []
            told += [_CODECS.get(codec, codec)] if codec != family(main) else []
            name = f"{label} ({', '.join(told)})" if told else label
            found.append(_SoundSet(main, tracks, name, main is default))
    found.sort(key=lambda one: one.main not in one.tracks)
    names = distinct(one.label for one in found)
    return [replace(one, label=name) for one, name in zip(found, names, strict=True)]


def _sound(period: etree._Element, one: _SoundSet, number: int) -> None:
    adaptation_set = etree.SubElement(
        period,
        "AdaptationSet",
        id=f"audio-{number}",
        contentType="audio",
        mimeType="audio/mp4",
        lang=language_tag(one.main.language),
        segmentAlignment="true",
        startWithSAP="1",
    )
    if one.main not in one.tracks:
        # Below the usual 1: other versions are for whoever asks for them.
        adaptation_set.set("selectionPriority", "0")
    elif one.is_default and number:
        # Players take the first set of several that are equal.
        adaptation_set.set("selectionPriority", "2")
    is_main = one.is_default and one.main in one.tracks
    _describe(adaptation_set, one.main, one.label, sound_roles(one.main, is_default=is_main))
    for track in one.tracks:
        representation = _representation(
            adaptation_set, track, audioSamplingRate=str(track.sample_rate)
        )
        channels = etree.Element(
            "AudioChannelConfiguration", schemeIdUri=CHANNEL_SCHEME, value=str(track.channels)
        )
        representation.insert(0, channels)


def _describe(
    adaptation_set: etree._Element, track: Track | TextTrack, label: str, roles: Sequence[str]
) -> None:
    """What a set is called and for, in the order of the schema, ISO/IEC 23009-1 §5.3.3.3."""
    etree.SubElement(adaptation_set, "Label").text = label
    if description := printable(track.description):
        etree.SubElement(adaptation_set, "Label", id=DESCRIPTION_ID).text = description
    audience = "1" if isinstance(track, Track) and track.describes_video else ""
    audience = audience or ("2" if track.hearing_impaired else "")
    if audience:
        scheme = {"schemeIdUri": AUDIENCE_SCHEME, "value": audience}
        etree.SubElement(adaptation_set, "Accessibility", scheme)
    for role in roles:
        etree.SubElement(adaptation_set, "Role", schemeIdUri=ROLE_SCHEME, value=role)


def _all_subtitles(period: etree._Element, texts: Sequence[TextTrack]) -> None:
    default = default_text(texts)
    for number, (text, label) in enumerate(zip(texts, text_labels(texts), strict=True)):
        roles = text_roles(text, is_default=text is default)
        _subtitles(period, text, label, roles, number)


def _subtitles(
    period: etree._Element, text: TextTrack, label: str, roles: Sequence[str], number: int
) -> None:
    """Segments in MP4; of assets from before there were any, all of it in one small file."""
    adaptation_set = etree.SubElement(
        period,
        "AdaptationSet",
        id=f"text-{number}",
        contentType="text",
        mimeType="application/mp4" if text.media else "text/vtt",
        lang=language_tag(text.language),
    )
    if text.media:
        adaptation_set.set("segmentAlignment", "true")
        adaptation_set.set("startWithSAP", "1")
    _describe(adaptation_set, text, label, roles)
    representation = etree.SubElement(adaptation_set, "Representation", id=text.name)
    if text.media:
        representation.set("codecs", text.media.codec)
        representation.set("bandwidth", str(text.media.peak_bandwidth))
        template(representation, text.folder, text.media)
    else:
        bits = 8 * text.file_size_bytes
        representation.set("bandwidth", str(ceil(bits / text.duration_seconds)))
        etree.SubElement(representation, "BaseURL").text = f"{text.folder}/{text.file_name}"


def _trick(period: etree._Element, track: Track, pictures: Sequence[Track]) -> None:
    """Single pictures, for who searches in the set of the same codec; nobody else takes them."""
    codec = track.codec.partition(".")[0]
    sets = [same[0].codec.partition(".")[0] for same in codec_sets(pictures)]
    adaptation_set = etree.SubElement(
        period,
        "AdaptationSet",
        id="trick",
        contentType="video",
        mimeType="video/mp4",
        maxPlayoutRate=str(FASTEST),
        codingDependency="false",
        segmentAlignment="true",
        startWithSAP="1",
    )
    main = f"video-{sets.index(codec)}"
    etree.SubElement(adaptation_set, "EssentialProperty", schemeIdUri=TRICK_SCHEME, value=main)
    _representation(
        adaptation_set,
        track,
        width=str(track.width),
        height=str(track.height),
        frameRate=_rate(track.frame_rate),
        sar="1:1",
    )


def _images(period: etree._Element, images: ImageTrack) -> None:
    """Tiles of even length up to the end of the period, as players of thumbnails expect."""
    adaptation_set = etree.SubElement(
        period, "AdaptationSet", id="images", contentType="image", mimeType="image/jpeg"
    )
    step = images.columns * images.rows * images.interval * images.timescale
    representation = etree.SubElement(
        adaptation_set,
        "Representation",
        id=images.folder,
        bandwidth=str(images.peak_bandwidth),
        width=str(images.columns * images.width),
        height=str(images.rows * images.height),
    )
    layout = f"{images.columns}x{images.rows}"
    etree.SubElement(representation, "EssentialProperty", schemeIdUri=TILE_SCHEME, value=layout)
    etree.SubElement(
        representation,
        "SegmentTemplate",
        timescale=str(images.timescale),
        duration=str(int(step)),
        media=f"{images.folder}/{TILE_TEMPLATE}",
        startNumber="1",
    )


def _representation(
    adaptation_set: etree._Element, track: Track, **attributes: str
) -> etree._Element:
    """A track with the exact times of its segments."""
    representation = etree.SubElement(
        adaptation_set,
        "Representation",
        {
            "id": track.name,
            "codecs": track.codec,
            "bandwidth": str(track.peak_bandwidth),
            **attributes,
        },
    )
    if track.is_one_file:
        indexed(representation, track)
    else:
        template(representation, track.folder, track)
    return representation


def _rate(rate: Fraction) -> str:
    return str(rate)


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _period(seconds: Fraction) -> str:
    """An XML Schema duration to the microsecond, rounded up: nothing at the end is cut."""
    micro = -(-seconds.numerator * 1_000_000 // seconds.denominator)
    return f"PT{micro // 1_000_000}.{micro % 1_000_000:06d}S"
