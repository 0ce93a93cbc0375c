"""The certificate that `serve` shows: whether it can be used, whose it is, and until when."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID


class CertificateUnusable(Exception):
    """Certificate or key cannot be used; the message says why, and nothing of the key."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Whose it is, and when its time ends (UTC)."""

    names: tuple[str, ...]
    expires: datetime


def read_certificate(certificate: Path, key: Path) -> Certificate:
    """Return what the server's certificate says, if it and its key fit. Raises `CertificateUnusable`."""
    for path in (certificate, key):
        if not path.is_file():
            raise CertificateUnusable(f"There is no file {path}. It is named in [tls].")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_refuse_to_ask)
        own = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise CertificateUnusable(f"{certificate} cannot be used with {key}: {error}.") from error
    return Certificate(_names_of(own), own.not_valid_after_utc)


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(name.value) for name in common)
    return tuple(str(name.value) for name in alternatives)


def _refuse_to_ask() -> str:
    """Called for a key with a passphrase: OpenSSL would ask for it on the terminal."""
    raise ValueError("the key has a passphrase, which nobody is there to type")
