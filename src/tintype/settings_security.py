"""Settings of encryption at rest and of TLS: what they are, how they are read, and the key that a command prints."""

import base64
import binascii
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from tintype.settings_reader import Reader
from tintype.settings_values import duration, list_of, or_nothing, whole

KEY_BYTES: Final = 32
"""AES-256. A passphrase is none: it would have to be stretched, and then guessed."""

COMMAND_SECONDS: Final = 30.0
"""How long the command may take that prints the key: a vault across the network answers in a second or two."""

VARIABLES: Final = {
    "blob_key": "encryption.key",
    "blob_key_old": "encryption.old_keys",
    "blob_key_command": "encryption.key_command",
}
"""Names of their own in the environment (`TINTYPE_BLOB_KEY`), where keys are usually given."""


class BadKey(Exception):
    """There is no key to start with; the message says why, and nothing of the key."""


@dataclass(frozen=True, slots=True)
class EncryptionSettings:
    """How blobs are encrypted; without `key` they are written in clear, and `old_keys` are for reading."""

    key: bytes | None = field(default=None, repr=False)
    key_command: str = field(default="", repr=False)
    old_keys: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The certificate chain and its key (PEM), both or neither, and how long browsers are told to insist on https."""

    certificate: Path | None = None
    key: Path | None = None
    hsts: timedelta | None = None
    redirect_port: int = 0
    """Where http is answered with the way to https; 0 is nowhere."""


def read_encryption(read: Reader) -> EncryptionSettings:
    """Return the settings of encryption."""
    nothing: tuple[bytes, ...] = ()
    settings = EncryptionSettings(
        key=read.read("encryption.key", _key_or_nothing, None),
        key_command=read.read("encryption.key_command", str, ""),
        old_keys=read.read("encryption.old_keys", lambda value: list_of(_key)(value) if value else (), nothing),
    )
    if settings.key and settings.key_command:
        read.complain("encryption.key_command", "there is a key already (encryption.key); give one of the two.")
    return settings


def read_tls(read: Reader) -> TlsSettings:
    """Return the settings of TLS."""
    settings = TlsSettings(
        certificate=read.read("tls.certificate", _path_or_nothing, None),
        key=read.read("tls.key", _path_or_nothing, None),
        hsts=read.read("tls.hsts", lambda value: None if value in {"off", False} else duration(value), None),
        redirect_port=read.read("tls.redirect_port", or_nothing(whole(1, 65_535)), 0),
    )
    if settings.redirect_port and not settings.certificate:
        read.complain("tls.redirect_port", "leads to https, for which there is no certificate (tls.certificate).")
    if bool(settings.certificate) is not bool(settings.key):
        read.complain("tls", "certificate and key: one is of no use without the other.")
    return settings


def with_printed_key(settings: EncryptionSettings) -> EncryptionSettings:
    """Return the settings with the key that the command prints, if there is one; it is run now, once. Raises `BadKey`.

    What it prints is neither logged nor shown, on whatever stream.
    """
    if not settings.key_command:
        return settings
    try:
        done = subprocess.run(  # noqa: S603 -- the operator's own command, without a shell
            shlex.split(settings.key_command), capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = type(error).__name__ if not isinstance(error, OSError) else error.strerror
        raise BadKey(
            f"The command that prints the key of the blobs cannot be run ({reason}): run it by hand."
        ) from None
    if done.returncode:
        raise BadKey(
            f"The command that prints the key of the blobs ended with status {done.returncode}: run it by hand."
        )
    try:
        key = _key(done.stdout.decode("ascii").strip())
    except ValueError:
        raise BadKey(f"What the command of encryption.key_command prints is {_NO_KEY}") from None
    return replace(settings, key=key, key_command="")


def key_variables(given: EncryptionSettings, resolved: EncryptionSettings) -> Mapping[str, str]:
    """Return what child processes find in their environment, so that the command is not run again by each of them."""
    if given.key_command == resolved.key_command or resolved.key is None:
        return {}
    return {"TINTYPE_BLOB_KEY": resolved.key.hex(), "TINTYPE_BLOB_KEY_COMMAND": ""}


_NO_KEY: Final = "no key: 32 random bytes as 64 hexadecimal digits or in base64, such as `openssl rand -hex 32` prints."


def _key_or_nothing(value: object) -> bytes | None:
    return _key(value) if value else None


def _key(value: object) -> bytes:
    """Return the 32 bytes that a text says in hexadecimal or base64."""
    text = str(value).strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"is {_NO_KEY.removesuffix('.')}")
    return key


def _path_or_nothing(value: object) -> Path | None:
    return Path(str(value)) if value else None
