"""What players are told of encrypted tracks, in the words of HLS and DASH."""

from __future__ import annotations

import json
import re
from uuid import UUID

import pytest
from lxml import etree

from adaptation.errors import SourceError
from adaptation.media.cpix import DrmSystem
from adaptation.media.protection import (
    SYSTEMS,
    Protection,
    SystemName,
    protected_manifest,
)

KID = bytes(range(16))
CENC = Protection("cenc", KID)
CBCS = Protection("cbcs", KID, b"i" * 16)
MANIFEST = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>
<AdaptationSet><Role/><Representation id="a"/><Representation id="b"/></AdaptationSet>
<AdaptationSet><Representation id="s"><AudioChannelConfiguration/></Representation></AdaptationSet>
</Period></MPD>"""


def formats(protection: Protection, *names: SystemName) -> list[tuple[str, str]]:
    """Method and key format of each line."""
    lines = protection.for_systems(names).key_lines
    found = [re.search(r'METHOD=([^,]+).*KEYFORMAT="([^"]+)"', line) for line in lines]
    return [(one[1], one[2]) for one in found if one]


def test_each_system_has_its_line_of_hls() -> None:
    assert formats(CENC, "cenc", "widevine", "playready") == [
        ("SAMPLE-AES-CTR", "identity"),
        ("SAMPLE-AES-CTR", f"urn:uuid:{SYSTEMS['widevine']}"),
        ("SAMPLE-AES-CTR", "com.microsoft.playready"),
    ]


def test_nothing_is_identity_beside_fairplay() -> None:
    assert formats(CBCS, "cenc", "widevine", "fairplay") == [
        ("SAMPLE-AES", f"urn:uuid:{SYSTEMS['widevine']}"),
        ("SAMPLE-AES", "com.apple.streamingkeydelivery"),
    ]
    lines = CBCS.for_systems(["fairplay"]).key_lines
    assert f'URI="skd://{KID.hex()}",IV=0x{CBCS.iv.hex()}' in lines[0]


def test_signals_are_kept_as_json() -> None:
    names: list[SystemName] = ["cenc", "widevine", "playready", "fairplay"]
    protection = CBCS.for_systems(names)
    document = json.loads(json.dumps(protection.to_json()))
    assert Protection.from_json({**document, "more": 1}) == protection
    assert Protection.from_json(document).for_systems(names) == protection


def test_what_a_key_server_says_stands_instead() -> None:
    id_ = SYSTEMS["widevine"]
    line = "#EXT-X-KEY:METHOD=SAMPLE-AES-CTR"
    told = DrmSystem(KID, id_, b"box", "<cenc:pssh>mine</cenc:pssh>", f"{line}\n")
    other = DrmSystem(b"o" * 16, id_, b"other")
    protection = CENC.for_systems(["widevine"], [other, told])
    assert (protection.pssh, protection.key_lines) == (b"box", (line,))
    text = protected_manifest(MANIFEST, {"a": protection})
    assert "<cenc:pssh>mine</cenc:pssh>" in text
    assert protection.for_systems(["widevine"]) == protection


def test_a_key_server_may_give_the_address_alone() -> None:
    told = DrmSystem(KID, SYSTEMS["fairplay"], hls_uri="skd://mine?a=1")
    [line] = CBCS.for_systems(["fairplay"], [told]).key_lines
    assert line.startswith('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://mine?a=1",IV=0x')
    assert line.endswith('KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"')


@pytest.mark.parametrize(
    "told",
    [
        DrmSystem(KID, SYSTEMS["fairplay"], hls_lines="#EXTINF:4,\nhttps://elsewhere/1.m4s"),
        DrmSystem(KID, SYSTEMS["fairplay"], hls_uri='skd://a",KEYFORMAT="b'),
        DrmSystem(KID, SYSTEMS["fairplay"], hls_uri="skd://a\nb"),
        DrmSystem(KID, SYSTEMS["fairplay"], content_protection="<open>"),
        DrmSystem(KID, SYSTEMS["fairplay"], content_protection="</told><told>"),
    ],
)
def test_a_key_server_cannot_write_the_rest_of_a_manifest(told: DrmSystem) -> None:
    with pytest.raises(SourceError) as error:
        CBCS.for_systems(["fairplay"], [told])
    assert error.value.code == "cpix_invalid"


def test_descriptors_stand_where_all_tracks_have_one_key() -> None:
    one, two = CENC.for_systems(["cenc"]), Protection("cenc", b"2" * 16)
    root = etree.fromstring(protected_manifest(MANIFEST, {"a": one, "b": one, "s": two}).encode())
    first, second = root[0]
    assert [etree.QName(child).localname for child in first] == [
        *("ContentProtection", "ContentProtection", "Role", "Representation", "Representation"),
    ]
    assert first[0].get("{urn:mpeg:cenc:2013}default_KID") == str(UUID(bytes=KID))
    assert [child.get("schemeIdUri") for child in second] == [
        "urn:mpeg:dash:mp4protection:2011",
        None,
    ]


def test_descriptors_stand_at_each_track_that_has_its_own_key() -> None:
    marks = {"a": CENC, "b": Protection("cenc", b"2" * 16), "s": CENC}
    root = etree.fromstring(protected_manifest(MANIFEST, marks).encode())
    kids = root.xpath("//*[@id]/*[local-name()='ContentProtection']/@*[local-name()='default_KID']")
    assert kids == [str(UUID(bytes=one.key_id)) for one in (marks["a"], marks["b"])]
