"""Reading the XML of a CPIX document strictly: what is not understood is refused by its name."""

from __future__ import annotations

import base64
import binascii

from lxml import etree

from adaptation.errors import SourceError

NAMESPACE = "urn:dashif:org:cpix"
SECRETS = "urn:ietf:params:xml:ns:keyprov:pskc"
"""Namespace of what holds a key, RFC 6030."""
ENCRYPTION = "http://www.w3.org/2001/04/xmlenc#"
SIGNATURES = "http://www.w3.org/2000/09/xmldsig#"
MOST_BYTES = 1024 * 1024
"""The largest document that is read."""


def read_root(content: bytes) -> etree._Element:
    """The root of a document.

    Raises:
        SourceError: `cpix_invalid`.
    """
    if len(content) > MOST_BYTES:
        raise invalid("document", f"it has more than {MOST_BYTES:,} bytes")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise invalid("document", "it is no XML") from error
    if etree.ElementTree(root).docinfo.internalDTD is not None:
        raise invalid("document", "it declares a document type")
    if root.tag != f"{{{NAMESPACE}}}CPIX":
        raise invalid("document", "its root is not CPIX")
    return root


def listed(root: etree._Element, name: str) -> list[etree._Element]:
    """The elements of a list such as `ContentKeyList`, which is named by them."""
    return list(root.iterfind(f"{{{NAMESPACE}}}{name}List/{{{NAMESPACE}}}{name}"))


def decoded(text: str | None, name: str) -> bytes:
    """The bytes of an element's text in Base64.

    Raises:
        SourceError: `cpix_invalid`.
    """
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(name, "it is not in Base64") from error


def invalid(element: str, what: str) -> SourceError:
    """The error for a document that says what is not understood, or must not be."""
    return SourceError(
        f"the CPIX document cannot be used: {element}: {what}",
        code="cpix_invalid",
        hint="Ask the key server for a document by CPIX 2.3 with 128-bit keys.",
    )
