"""CPIX documents: read back as they were written, and refused by the name of what is wrong."""

from __future__ import annotations

import base64
from dataclasses import replace
from uuid import UUID

import pytest

from adaptation.errors import ParameterError, SourceError
from adaptation.media.cpix import (
    ContentKey,
    Document,
    DrmSystem,
    Filter,
    Rule,
    cpix_text,
    read_cpix,
)
from adaptation.media.cpix_xml import NAMESPACE, SECRETS
from adaptation.media.index import Segment, Track

KIDS = [bytes((number,)) * 16 for number in range(1, 5)]
KEYS = tuple(ContentKey(kid, bytes(16), b"i" * 16 if kid == KIDS[0] else None) for kid in KIDS)
WHOLE = Document(
    KEYS,
    (DrmSystem(KIDS[0], UUID(int=7), b"box", "<a>&amp;</a>", "#EXT-X-KEY:METHOD=NONE", "skd://ä"),),
    (
        Rule(KIDS[0], "AUDIO", (Filter("AudioFilter"),)),
        Rule(KIDS[1], "", (Filter("VideoFilter", (("maxPixels", 442368),)),)),
        Rule(KIDS[2], "HD"),
        Rule(KIDS[3], "UHD"),
    ),
)
ID = str(UUID(bytes=KIDS[0]))


def document(inside: str, head: str = "") -> bytes:
    spaces = f'xmlns="{NAMESPACE}" xmlns:pskc="{SECRETS}"'
    return f"{head}<CPIX {spaces}>{inside}</CPIX>".encode()


def key(value: str = "AAAAAAAAAAAAAAAAAAAAAA==", kind: str = "PlainValue", more: str = "") -> str:
    secret = f"<pskc:Secret><pskc:{kind}>{value}</pskc:{kind}></pskc:Secret>"
    return f'<ContentKey kid="{ID}" {more}><Data>{secret}</Data></ContentKey>'


def keys(*listed: str) -> str:
    return f"<ContentKeyList>{''.join(listed)}</ContentKeyList>"


def rule(inside: str = "", more: str = "", kid: str = ID) -> str:
    one = f'<ContentKeyUsageRule kid="{kid}" {more}>{inside}</ContentKeyUsageRule>'
    return keys(key()) + f"<ContentKeyUsageRuleList>{one}</ContentKeyUsageRuleList>"


def track(width: int, height: int = 0) -> Track:
    segments = (Segment("00001.m4s", 0, 10, 1000, "", True, 1),)
    kind = "video" if width else "audio"
    return Track(
        kind=kind,  # type: ignore[arg-type]  # one of both
        name=f"{kind}{height}",
        folder="x",
        codec="avc1",
        timescale=10,
        media_time=0,
        init_name="init.mp4",
        init_size_bytes=0,
        init_sha256="",
        segments=segments,
        width=width,
        height=height,
        channels=0 if width else 2,
    )


def test_what_is_written_is_read_back() -> None:
    assert read_cpix(cpix_text(WHOLE)) == WHOLE
    assert read_cpix(cpix_text(Document(KEYS))) == Document(KEYS)


def test_a_key_is_not_shown() -> None:
    assert "key=" not in repr(ContentKey(KIDS[0], b"secret-secret-se"))
    assert "secret" not in repr(Document((ContentKey(KIDS[0], b"secret-secret-se"),)))


@pytest.mark.parametrize(
    ("size", "kid"),
    [((0, 0), 0), ((768, 576), 1), ((770, 576), 2), ((1920, 1080), 2), ((3840, 2160), 3)],
)
def test_rules_give_each_track_its_key(size: tuple[int, int], kid: int) -> None:
    assert WHOLE.key_of(track(*size)).key_id == KIDS[kid]


def test_a_key_for_any_track_is_for_those_that_no_other_is_for() -> None:
    rules = (Rule(KIDS[0], "AUDIO"), Rule(KIDS[1]))
    known = replace(WHOLE, rules=rules)
    assert known.key_of(track(0)).key_id == KIDS[0]
    assert known.key_of(track(640, 360)).key_id == KIDS[1]
    assert Document(KEYS[:1]).key_of(track(0)) == KEYS[0]


@pytest.mark.parametrize(
    "rules", [(Rule(KIDS[0], "AUDIO"),), (Rule(KIDS[0], "SD"), Rule(KIDS[1], "VIDEO")), ()]
)
def test_a_track_with_no_key_or_several_is_named(rules: tuple[Rule, ...]) -> None:
    with pytest.raises(ParameterError, match="video360") as error:
        replace(WHOLE, rules=rules).key_of(track(640, 360))
    assert error.value.code == "content_key_missing"


def test_bounds_of_a_rule_hold_together() -> None:
    both = (
        Filter("VideoFilter", (("minPixels", 100),)),
        Filter("BitrateFilter", (("minBitrate", 1),)),
    )
    assert Rule(KIDS[0], "", both).fits(track(640, 360))
    assert not Rule(KIDS[0], "", (*both[:1], Filter("AudioFilter"))).fits(track(5, 5))
    dear = Filter("BitrateFilter", (("minBitrate", 10**9),))
    assert not Rule(KIDS[0], "", (dear,)).fits(track(0))
    assert not Rule(KIDS[0], "", (Filter("VideoFilter", (("maxPixels", 9),)),)).fits(track(0))


def test_a_key_may_be_for_pictures_and_sound_alike() -> None:
    read = read_cpix(document(rule("<AudioFilter/><VideoFilter/>", 'intendedTrackType="ALL"')))
    assert [read.key_of(track(*size)).key_id for size in ((0, 0), (640, 360))] == [KIDS[0]] * 2
    read = read_cpix(document(rule(more='intendedTrackType="ALL"')))
    assert read.rules == (Rule(KIDS[0]),)


WRONG = {
    "no XML": (b"<CPIX", "document"),
    "another document": (b"<MPD/>", "document"),
    "a document type": (document(keys(key()), '<!DOCTYPE a [<!ENTITY b "c">]>'), "document"),
    "too large": (b" " * 1_100_000, "document"),
    "no keys": (document(""), "ContentKeyList"),
    "a key twice": (document(keys(key(), key())), "ContentKeyList"),
    "no Base64": (document(keys(key("?!"))), "PlainValue"),
    "a short key": (document(keys(key("AAAA"))), "PlainValue"),
    "no key id": (document(keys(key()).replace("kid", "id")), "ContentKey"),
    "a short IV": (document(keys(key(more='explicitIV="AAAA"'))), "explicitIV"),
    "an unknown filter": (document(rule("<KeyPeriodFilter/>")), "ContentKeyUsageRule"),
    "an unknown bound": (document(rule('<VideoFilter hdr="true"/>')), "VideoFilter"),
    "an unknown type": (document(rule(more='intendedTrackType="SMELL"')), "ContentKeyUsageRule"),
    "a rule of no key": (document(rule(kid=str(UUID(int=9)))), "ContentKeyUsageRule"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_document_that_cannot_be_used_names_the_element(what: str) -> None:
    content, element = WRONG[what]
    with pytest.raises(SourceError, match=f": {element}: ") as error:
        read_cpix(content)
    assert error.value.code == "cpix_invalid"


@pytest.mark.parametrize(
    "inside",
    [
        keys(key(kind="EncryptedValue")),
        f"<DeliveryDataList/>{keys(key(), key(kind='EncryptedValue'))}",
    ],
)
def test_encrypted_keys_are_refused_where_nobody_can_open_them(inside: str) -> None:
    with pytest.raises(SourceError) as error:
        read_cpix(document(inside))
    assert error.value.code == "cpix_encrypted"


def test_signals_for_the_master_playlist_are_left_out() -> None:
    line = base64.b64encode(b"#EXT-X-SESSION-KEY:METHOD=NONE").decode()
    told = f'<HLSSignalingData playlist="master">{line}</HLSSignalingData>'
    system = f'<DRMSystem kid="{ID}" systemId="{UUID(int=7)}">{told}</DRMSystem>'
    content = document(f"{keys(key())}<DRMSystemList>{system}</DRMSystemList>")
    assert read_cpix(content).systems == (DrmSystem(KIDS[0], UUID(int=7)),)
