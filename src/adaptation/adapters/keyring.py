"""Where the keys are that seal secrets: a file, a variable of the environment, or the home."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from adaptation.adapters.lock import locked
from adaptation.adapters.vault import KEY_BYTES, SecretKey
from adaptation.errors import SettingsError

LOCK_SECONDS = 10.0
"""How long another process may take to write the file."""
_Stamp = tuple[int, int, int]


def new_key_text() -> str:
    """A fresh key as it stands in the file: base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


@dataclass
class Keyring:
    """The keys in force, read anew when their file changes, so that nobody must be restarted."""

    file: Path
    """One key a line in base64, the newest first."""
    text: str = field(default="", repr=False)
    """Keys with blanks between them, instead of a file."""
    makes: bool = False
    """Whether the file is made with a first key when it is not there."""
    missing_hint: str = (
        "Set ADAPTATION_SECRET_KEY_FILE to a file that `adaptation keys new` has made,"
        " the same on all machines."
    )
    """What to do when there is no file."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _known: tuple[_Stamp, tuple[SecretKey, ...]] | None = field(default=None, repr=False)

    def all(self) -> tuple[SecretKey, ...]:
        """All keys, the newest first.

        Raises:
            SettingsError: `secret_key_unset`, `secret_key_missing`, `secret_key_invalid`.
        """
        if self.text:
            return _keys_of(self.text, "ADAPTATION_SECRET_KEY")
        with self._lock:
            stamp = self._stamp()
            if stamp is None and self.makes:
                self._make_first()
                stamp = self._stamp()
            if stamp is None:
                raise self._missing()
            if self._known is None or self._known[0] != stamp:
                self._known = stamp, self._read()
            return self._known[1]

    def add(self) -> SecretKey:
        """Put a new key before all others; those stay, and open what they have sealed.

        Raises:
            SettingsError: `secret_key_fixed`, or as `all`.
        """
        self._expect_file()
        self.all()  # makes the first one, if there is none
        with self._writing():
            self._write([new_key_text(), *(_text_of(key) for key in self.all())])
        return self.all()[0]

    def keep_newest(self) -> None:
        """Forget all keys but the newest.

        Raises:
            SettingsError: `secret_key_fixed`, or as `all`.
        """
        self._expect_file()
        newest = self.all()[0]
        with self._writing():
            self._write([_text_of(newest)])

    def _expect_file(self) -> None:
        if self.text:
            raise SettingsError(
                "the keys are in ADAPTATION_SECRET_KEY, which no program can change for others",
                code="secret_key_fixed",
                hint="Set it to a new key (adaptation keys new), a blank and the old one, start"
                " everything anew, and then: adaptation keys rotate --resume",
            )

    def _make_first(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._writing():
            if not self.file.exists():  # else another process was faster: its key is ours
                self._write([new_key_text()])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Be the only process that writes the file."""
        try:
            with locked(self.file.with_name(f"{self.file.name}.lock"), wait_seconds=LOCK_SECONDS):
                yield
        except OSError as error:
            raise SettingsError(
                f"the keys that seal secrets cannot be written to {self.file}: {error}",
                code="secret_key_unset",
                hint="Give this user a folder to write to, or set ADAPTATION_SECRET_KEY.",
            ) from error

    def _write(self, lines: Iterable[str]) -> None:
        """Let the file appear whole, readable for its owner alone."""
        fresh = self.file.with_name(f"{self.file.name}.{secrets.token_hex(8)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                self._take_over(fresh)
                file.writelines(f"{line}\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.file)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    def _take_over(self, fresh: Path) -> None:
        """Let a new file belong to whom the old one did: an operator may be root."""
        with suppress(FileNotFoundError):
            facts = self.file.stat()
            fresh.chmod(facts.st_mode & 0o777)
            if sys.platform != "win32" and facts.st_uid != os.geteuid():
                os.chown(fresh, facts.st_uid, facts.st_gid)

    def _read(self) -> tuple[SecretKey, ...]:
        try:
            return _keys_of(self.file.read_text("ascii", "replace"), str(self.file))
        except OSError as error:
            raise self._missing() from error

    def _stamp(self) -> _Stamp | None:
        try:
            facts = self.file.stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    def _missing(self) -> SettingsError:
        return SettingsError(
            f"the key that seals secrets cannot be read from {self.file}",
            code="secret_key_unset",
            hint=self.missing_hint,
        )


def _keys_of(text: str, place: str) -> tuple[SecretKey, ...]:
    words = text.replace(",", " ").split()
    keys = tuple(dict.fromkeys(SecretKey(_material(word, place)) for word in words))
    if not keys:
        raise _invalid(f"there is no key in {place}")
    return keys


def _material(word: str, place: str) -> bytes:
    try:
        material = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid(f"a key in {place} is not base64") from error
    if len(material) < KEY_BYTES:
        raise _invalid(f"a key in {place} has {len(material)} bytes, and needs {KEY_BYTES}")
    return material


def _text_of(key: SecretKey) -> str:
    return base64.b64encode(key.material).decode()


def _invalid(message: str) -> SettingsError:
    return SettingsError(
        message,
        code="secret_key_invalid",
        hint="Give keys as `adaptation keys new` prints them, the newest first.",
    )
