"""Signed CPIX documents: those in `signed` were made with the XML Security Library (xmlsec 1.3).

`document.xml` is signed as a whole over a signature of its keys, in Canonical XML 1.0; of
`lists.xml` each list is signed by its id, in exclusive form; `signer.pem` is the certificate.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import cpix_kit
from adaptation.adapters.key_files import KeyFiles
from adaptation.errors import SourceError
from adaptation.media.cpix import read_cpix

SIGNED = Path(__file__).parent / "signed"
SIGNERS = KeyFiles(believed=SIGNED / "signer.pem").signers()
DOCUMENTS = {name: (SIGNED / f"{name}.xml").read_text() for name in ("document", "lists")}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_another_program_signed_is_believed(name: str) -> None:
    document = read_cpix(DOCUMENTS[name].encode(), signers=SIGNERS)
    assert [rule.kind for rule in document.rules] == ["VIDEO"]
    stranger = KeyFiles(believed=SIGNED / "signer.pem")
    assert stranger.identity() is None


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"VIDEO"', '"AUDIO"'),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAQ=="),
        ("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
        ("</CPIX>", '<DRMSystemList id="more"/></CPIX>'),
    ],
)
def test_what_was_changed_or_added_is_not(name: str, old: str, new: str) -> None:
    changed = DOCUMENTS[name].replace(old, new)
    assert changed != DOCUMENTS[name]
    with pytest.raises(SourceError) as refused:
        read_cpix(changed.encode(), signers=SIGNERS)
    assert refused.value.code == "cpix_untrusted"


def test_keys_are_not_read_from_beside_what_is_signed() -> None:
    """The signed list is moved away, and another one with its id or without one is put there."""
    text = DOCUMENTS["lists"]
    first, last = text.index("<ContentKeyList"), text.index("</ContentKeyList>") + 17
    signed = text[first:last]
    forged = signed.replace(' id="keys"', "").replace("AAAAAAAAAAAAAAAAAAAAAA==", "B" * 22 + "==")
    for inside in (
        f"{forged}<Extension>{signed}</Extension>",
        f"{signed}{signed.replace('AAAAAAAAAAAAAAAAAAAAAA==', 'B' * 22 + '==')}",
    ):
        wrapped = text[:first] + inside + text[last:]
        with pytest.raises(SourceError) as refused:
            read_cpix(wrapped.encode(), signers=SIGNERS)
        assert refused.value.code in {"cpix_invalid", "cpix_untrusted"}
    both = text[:first] + signed + forged.replace("01010101-", "02020202-") + text[last:]
    with pytest.raises(SourceError) as refused:
        read_cpix(both.encode(), signers=SIGNERS)
    assert refused.value.code == "cpix_untrusted"


@pytest.mark.parametrize(
    ("old", "new", "element"),
    [
        ("rsa-sha512", "rsa-md5", "SignatureMethod"),
        ('xmlenc#sha512"', 'xmlenc#sha1"', "DigestMethod"),
        ('URI="#keys"', 'URI="http://example.org/"', "Reference"),
        ("ds:SignedInfo", "ds:Other", "Signature"),
        ("xml-exc-c14n#", "xml-exc-c14n#WithComments", "Transform"),
    ],
)
def test_what_is_not_understood_is_refused(old: str, new: str, element: str) -> None:
    changed = DOCUMENTS["lists"].replace(old, new)
    assert changed != DOCUMENTS["lists"]
    with pytest.raises(SourceError) as refused:
        read_cpix(changed.encode(), signers=SIGNERS)
    assert refused.value.code in {"cpix_invalid", "cpix_untrusted"}
    if refused.value.code == "cpix_invalid":
        assert element in refused.value.message


def test_without_believed_signers_signatures_do_not_matter(tmp_path: Path) -> None:
    changed = DOCUMENTS["lists"].replace('"VIDEO"', '"AUDIO"').encode()
    assert read_cpix(changed).rules[0].kind == "AUDIO"
    other = KeyFiles(believed=cpix_kit.identity(tmp_path).certificate).signers()
    for text in DOCUMENTS.values():
        with pytest.raises(SourceError) as refused:
            read_cpix(text.encode(), signers=other)
        assert refused.value.code == "cpix_untrusted"
