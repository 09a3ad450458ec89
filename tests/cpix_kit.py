"""CPIX documents with keys that OpenSSL encrypted for a recipient, in the shapes of DASH-IF."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

SPACES = (
    'xmlns="urn:dashif:org:cpix" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
    ' xmlns:enc="http://www.w3.org/2001/04/xmlenc#"'
    ' xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc"'
)
OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
AES = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
MAC = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512"


def openssl(*words: str, given: bytes = b"") -> bytes:
    """What OpenSSL prints."""
    return subprocess.run(
        ["openssl", *words], input=given, capture_output=True, check=True, timeout=60
    ).stdout


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key in one file, and the certificate alone."""

    file: Path
    certificate: Path

    @property
    def text(self) -> str:
        """The certificate as it stands in a document."""
        der = openssl("x509", "-in", str(self.certificate), "-outform", "DER")
        return base64.b64encode(der).decode()


def identity(folder: Path, name: str = "own", bits: int = 2048) -> Identity:
    """A new certificate with a new RSA key."""
    key, certificate, file = (folder / f"{name}{end}" for end in (".key", ".crt", ".pem"))
    words = f"req -x509 -newkey rsa:{bits} -nodes -days 2 -subj /CN={name}".split()
    openssl(*words, "-keyout", str(key), "-out", str(certificate))
    file.write_bytes(certificate.read_bytes() + key.read_bytes())
    file.chmod(0o600)
    return Identity(file, certificate)


@dataclass(frozen=True)
class Sealing:
    """Encrypts the keys of one document."""

    recipients: Sequence[Identity]
    document_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    code_key: bytes = field(default_factory=lambda: secrets.token_bytes(64))

    def delivery(self) -> str:
        """`DeliveryDataList`."""
        return (
            f"<DeliveryDataList>{''.join(map(self._delivered, self.recipients))}</DeliveryDataList>"
        )

    def secret(self, key: bytes) -> str:
        """`Secret` of a content key."""
        iv = secrets.token_bytes(16)
        words = ["enc", "-aes-256-cbc", "-K", self.document_key.hex(), "-iv", iv.hex()]
        sealed = iv + openssl(*words, given=key)
        option = ["-mac", "HMAC", "-macopt", f"hexkey:{self.code_key.hex()}"]
        code = openssl("dgst", "-sha512", *option, "-binary", given=sealed)
        value = encrypted_value(AES, sealed)
        return f"<pskc:Secret>{value}<pskc:ValueMAC>{base64_of(code)}</pskc:ValueMAC></pskc:Secret>"

    def _delivered(self, recipient: Identity) -> str:
        words = ["pkeyutl", "-encrypt", "-certin", "-inkey", str(recipient.certificate)]
        words += ["-pkeyopt", "rsa_padding_mode:oaep"]
        wrapped = [
            encrypted_value(OAEP, openssl(*words, given=key))
            for key in (self.document_key, self.code_key)
        ]
        certificate = f"<ds:X509Certificate>{recipient.text}</ds:X509Certificate>"
        secret = f"<Data><pskc:Secret>{wrapped[0]}</pskc:Secret></Data>"
        return (
            f"<DeliveryData><DeliveryKey><ds:X509Data>{certificate}</ds:X509Data></DeliveryKey>"
            f'<DocumentKey Algorithm="{AES}">{secret}</DocumentKey>'
            f'<MACMethod Algorithm="{MAC}"><Key>{wrapped[1]}</Key></MACMethod></DeliveryData>'
        )


def encrypted_value(algorithm: str, content: bytes) -> str:
    """`EncryptedValue`."""
    data = (
        f"<enc:CipherData><enc:CipherValue>{base64_of(content)}</enc:CipherValue></enc:CipherData>"
    )
    method = f'<enc:EncryptionMethod Algorithm="{algorithm}"/>'
    return f"<pskc:EncryptedValue>{method}{data}</pskc:EncryptedValue>"


def encrypted_document(
    keys: Mapping[str, str], recipients: Sequence[Identity], more: str = ""
) -> bytes:
    """A document with content keys by their ids, both in hexadecimal digits."""
    sealing = Sealing(recipients)
    listed = "".join(
        f'<ContentKey kid="{UUID(key_id)}"><Data>{sealing.secret(bytes.fromhex(key))}</Data>'
        "</ContentKey>"
        for key_id, key in keys.items()
    )
    inside = f"{sealing.delivery()}<ContentKeyList>{listed}</ContentKeyList>{more}"
    return f'<CPIX {SPACES} version="2.3">{inside}</CPIX>'.encode()


def base64_of(content: bytes) -> str:
    """Base64 as text."""
    return base64.b64encode(content).decode()
