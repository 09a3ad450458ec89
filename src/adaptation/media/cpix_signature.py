"""Signatures of CPIX documents (XML Signature 1.1), for whoever says whose signature is believed.

Read is only what a believed signature covers. Of the standard no more is understood than signing
the document, or lists of it by their ids, with RSA: no transform can lead elsewhere.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from lxml import etree

from adaptation.errors import SourceError
from adaptation.media.cpix_xml import ENCRYPTION, NAMESPACE, SIGNATURES, decoded, invalid

Signers = Sequence[RSAPublicKey]
"""Whose signatures are believed."""
READ_LISTS = ("DeliveryDataList", "ContentKeyList", "DRMSystemList", "ContentKeyUsageRuleList")
"""What of a document is read, and so must be signed."""
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
ENVELOPED = f"{SIGNATURES}enveloped-signature"
CANONICAL = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
METHODS: dict[str, hashes.HashAlgorithm] = {
    f"{_MORE}rsa-sha256": hashes.SHA256(),
    f"{_MORE}rsa-sha384": hashes.SHA384(),
    f"{_MORE}rsa-sha512": hashes.SHA512(),
}
DIGESTS = {
    f"{ENCRYPTION}sha256": "sha256",
    f"{_MORE}sha384": "sha384",
    f"{ENCRYPTION}sha512": "sha512",
}


def prove_signed(root: etree._Element, signers: Signers) -> None:
    """Refuse a document that none of these has signed, or of which a part is not signed.

    Raises:
        SourceError: `cpix_untrusted`; `cpix_invalid`, the signature is not understood.
    """
    found = root.findall(f"{{{SIGNATURES}}}Signature")
    covered = list[etree._Element]()
    for signature in found:
        info = _only(signature, "SignedInfo")
        if _is_by_one_of(signature, info, signers):
            for reference in info.findall(f"{{{SIGNATURES}}}Reference"):
                covered += _covered(root, signature, reference)
    for name in READ_LISTS:
        if any(one not in covered for one in root.iterfind(f"{{{NAMESPACE}}}{name}")):
            raise _untrusted(name)


def _is_by_one_of(signature: etree._Element, info: etree._Element, signers: Signers) -> bool:
    method = METHODS.get(_only(info, "SignatureMethod").get("Algorithm", ""))
    if method is None:
        raise invalid("SignatureMethod", "it is no RSA with SHA-256, SHA-384 or SHA-512")
    value = decoded(_only(signature, "SignatureValue").text, "SignatureValue")
    signed = _canonical(info, _only(info, "CanonicalizationMethod"))
    for signer in signers:
        try:
            signer.verify(value, signed, PKCS1v15(), method)
        except InvalidSignature:
            continue
        return True
    return False


def _covered(
    root: etree._Element, signature: etree._Element, reference: etree._Element
) -> list[etree._Element]:
    """The lists that a reference stands for, once its digest is right."""
    uri, transforms = reference.get("URI"), _transforms(reference)
    if uri == "" and transforms[:1] == [ENVELOPED]:
        element, transforms = _without(root, signature), transforms[1:]
        signed = list(root)
    elif uri is not None and uri.startswith("#"):
        element = _by_id(root, uri[1:])
        signed = [element]
    else:
        raise invalid("Reference", "it is neither the document nor one of its lists")
    if len(transforms) > 1:
        raise invalid("Transforms", "there are more than are understood")
    digest = DIGESTS.get(_only(reference, "DigestMethod").get("Algorithm", ""))
    if digest is None:
        raise invalid("DigestMethod", "it is no SHA-256, SHA-384 or SHA-512")
    made = hashlib.new(digest, _canonized(element, (transforms or [CANONICAL])[0])).digest()
    told = decoded(_only(reference, "DigestValue").text, "DigestValue")
    return signed if hmac.compare_digest(made, told) else []


def _transforms(reference: etree._Element) -> list[str]:
    found = reference.findall(f"{{{SIGNATURES}}}Transforms/{{{SIGNATURES}}}Transform")
    if any(len(one) for one in found):
        raise invalid("Transform", "its parameters are not understood")
    return [one.get("Algorithm", "") for one in found]


def _by_id(root: etree._Element, name: str) -> etree._Element:
    """A list of the document itself: ids elsewhere might lead to what is not read."""
    found = [one for one in root.iter(etree.Element) if one.get("id") == name]
    if len(found) != 1 or found[0].getparent() is not root:
        raise invalid("Reference", "it leads to no list, or to several")
    return found[0]


def _without(root: etree._Element, signature: etree._Element) -> etree._Element:
    """The document without one signature; the text behind it stays."""
    at = root.index(signature)
    rest = copy.deepcopy(root)
    gone = rest[at]
    if gone.tail and at:
        rest[at - 1].tail = (rest[at - 1].tail or "") + gone.tail
    elif gone.tail:
        rest.text = (rest.text or "") + gone.tail
    gone.tail = None
    rest.remove(gone)
    return rest


def _canonical(element: etree._Element, method: etree._Element) -> bytes:
    if len(method):
        raise invalid("CanonicalizationMethod", "its parameters are not understood")
    return _canonized(element, method.get("Algorithm", ""))


def _canonized(element: etree._Element, algorithm: str) -> bytes:
    """Canonical XML 1.0 without comments, of a whole element with all that is in scope in it."""
    if algorithm not in {CANONICAL, EXCLUSIVE}:
        raise invalid("Transform", f"{algorithm!r:.100} is not understood")
    # A copy that declares itself what its parents declare: it is written as if it stood there.
    spaces: dict[str, str] = element.nsmap  # type: ignore[assignment]  # None is the default one
    alone = etree.Element(element.tag, nsmap=spaces)
    alone.attrib.update(element.attrib)
    alone.text = element.text
    alone.extend(copy.deepcopy(child) for child in element)
    is_exclusive = algorithm == EXCLUSIVE
    return etree.tostring(alone, method="c14n", exclusive=is_exclusive, with_comments=False)


def _only(element: etree._Element, name: str) -> etree._Element:
    found = element.findall(f"{{{SIGNATURES}}}{name}")
    if len(found) != 1:
        raise invalid("Signature", f"it has {len(found)} {name} instead of one")
    return found[0]


def _untrusted(name: str) -> SourceError:
    return SourceError(
        f"{name} of the CPIX document is signed by nobody who is believed",
        code="cpix_untrusted",
        hint="Ask the key server to sign it, and put the signer's certificate into the file that"
        " ADAPTATION_CPIX_SIGNERS_FILE names.",
    )
