"""Encrypted CPIX documents: what OpenSSL encrypted for us is opened, unless it was changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import cpix_kit
from adaptation.adapters.key_files import KeyFiles
from adaptation.errors import SettingsError, SourceError
from adaptation.media.cpix import read_cpix
from adaptation.media.cpix_delivery import Recipient

KEYS = {"a1" * 16: "0123456789abcdef" * 2, "b2" * 16: "fedcba9876543210" * 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cpix")


@pytest.fixture(scope="module")
def own(folder: Path) -> cpix_kit.Identity:
    return cpix_kit.identity(folder)


@pytest.fixture(scope="module")
def other(folder: Path) -> cpix_kit.Identity:
    return cpix_kit.identity(folder, "other")


@pytest.fixture(scope="module")
def content(own: cpix_kit.Identity, other: cpix_kit.Identity) -> bytes:
    """A document for two recipients, of whom we are the second."""
    return cpix_kit.encrypted_document(KEYS, [other, own])


def recipient(identity: cpix_kit.Identity) -> Recipient:
    found = KeyFiles(identity.file).identity()
    assert found is not None
    return Recipient(*found)


def test_keys_that_openssl_encrypted_are_read(content: bytes, own: cpix_kit.Identity) -> None:
    document = read_cpix(content, recipient(own))
    assert {key.key_id.hex(): key.key.hex() for key in document.keys} == KEYS
    assert "PrivateKey" not in repr(recipient(own))


def test_a_renewed_certificate_of_the_same_key_is_as_good(
    own: cpix_kit.Identity, content: bytes, folder: Path
) -> None:
    words = f"req -x509 -key {own.file} -days 3 -subj /CN=renewed".split()
    renewed = folder / "renewed.pem"
    renewed.write_bytes(
        cpix_kit.openssl(*words)
        + own.file.read_bytes().partition(b"-----BEGIN P")[2].join([b"-----BEGIN P", b""])
    )
    renewed.chmod(0o600)
    known = recipient(cpix_kit.Identity(renewed, renewed))
    assert len(read_cpix(content, known).keys) == 2


def test_a_stranger_opens_nothing(content: bytes, folder: Path) -> None:
    stranger = cpix_kit.identity(folder, "stranger")
    for known in (recipient(stranger), None):
        with pytest.raises(SourceError) as refused:
            read_cpix(content, known)
        assert refused.value.code == "cpix_encrypted"


def without_code(text: str) -> str:
    return re.sub("<pskc:ValueMAC>.*?</pskc:ValueMAC>", "", text, count=1)


def other_bytes(after: str) -> Callable[[str], str]:
    """Changes the first letters of the Base64 text that follows a mark."""

    def change(text: str) -> str:
        before, mark, rest = text.partition(after)
        return f"{before}{mark}{'AAAA' if rest[:4] != 'AAAA' else 'BBBB'}{rest[4:]}"

    return change


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "a code that is missing": (without_code, "ValueMAC"),
    "a code that is wrong": (other_bytes("<pskc:ValueMAC>"), "ValueMAC"),
    "a key with other bytes": (
        lambda text: re.sub(
            r"(aes256-cbc\"/><enc:CipherData><enc:CipherValue>)....", r"\1AAAA", text
        ),
        "ValueMAC",
    ),
    "another algorithm of keys": (
        lambda text: text.replace('aes256-cbc"/>', 'aes128-cbc"/>'),
        "EncryptedValue",
    ),
    "another algorithm of the document key": (
        lambda text: text.replace("rsa-oaep-mgf1p", "rsa-1_5"),
        "DocumentKey",
    ),
    "another code": (lambda text: text.replace("hmac-sha512", "hmac-md5"), "MACMethod"),
    "no document key": (lambda text: text.replace("DocumentKey", "LeafKey"), "DocumentKey"),
    "no certificate": (lambda text: text.replace("X509Certificate", "X509CRL"), "DeliveryKey"),
    "no cipher text": (lambda text: text.replace("enc:CipherValue", "enc:Other"), "CipherValue"),
    "a key in the clear among them": (
        lambda text: re.sub(
            "<pskc:Secret><pskc:EncryptedValue>(?=.{60,70}aes256).*?</pskc:Secret>",
            "<pskc:Secret/>",
            text,
            count=1,
        ),
        "Secret",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_document_that_was_changed_names_the_element(
    content: bytes, own: cpix_kit.Identity, what: str
) -> None:
    change, element = WRONG[what]
    changed = change(content.decode())
    assert changed != content.decode()
    with pytest.raises(SourceError, match=f": {element}: ") as refused:
        read_cpix(changed.encode(), recipient(own))
    assert refused.value.code == "cpix_invalid"


def test_a_document_key_for_others_is_not_ours(
    content: bytes, own: cpix_kit.Identity, other: cpix_kit.Identity
) -> None:
    lied = content.decode().replace(other.text, own.text).encode()
    with pytest.raises(SourceError, match="DocumentKey: it does not open"):
        read_cpix(lied, recipient(own))


def test_a_file_of_keys_that_cannot_be_used_is_told(
    own: cpix_kit.Identity, other: cpix_kit.Identity, tmp_path: Path
) -> None:
    readable, mixed, words = (
        tmp_path / name for name in ("readable.pem", "mixed.pem", "words.pem")
    )
    readable.write_bytes(own.file.read_bytes())
    readable.chmod(0o640)
    words.write_text("no PEM")
    mixed.write_bytes(other.certificate.read_bytes() + own.file.read_bytes())
    small = cpix_kit.identity(tmp_path, "small", 1024).file
    for path in (words, mixed):
        path.chmod(0o600)
    for path in (readable, mixed, words, small, tmp_path / "none.pem"):
        with pytest.raises(SettingsError) as refused:
            KeyFiles(path).identity()
        assert refused.value.code == "cpix_key_file"
        assert path.name in refused.value.message
    assert KeyFiles().identity() is None
    with pytest.raises(SettingsError):
        KeyFiles(believed=words).signers()
    assert len(KeyFiles(believed=own.certificate).signers()) == 1
