"""Whether images are encrypted with the keys that there are, and how long the certificate still lasts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from tintype.bootstrap.blobs import key_ring, local_root, recorded_keys
from tintype.bootstrap.origin import certificate_of
from tintype.diagnosis.finding import Finding
from tintype.settings import Settings

LEAST_LEFT: Final = timedelta(days=14)
"""A certificate that is renewed by itself is renewed a month before its end: by now that has failed more than once."""


def encryption(settings: Settings) -> Iterator[Finding]:
    """Give how images lie on the disk. Nothing is written."""
    root = local_root(settings)
    if root is None:
        yield Finding("encryption", ok=True, detail="images lie in a bucket, encrypted as that is.")
        return
    keys, record = key_ring(settings), recorded_keys(settings)
    given = frozenset(key.hex() for key in keys.ids) if keys else frozenset[str]()
    missing = record.ids - given if record else frozenset[str]()
    current = keys.current.hex() if keys and keys.current else None
    older = sorted((record.ids if record else given) - {current})
    how = f"new images are encrypted with the key {current}" if current else "new images lie in clear"
    also = f"; some may be under {', '.join(older)}" if older else ""
    clear = "; some may be in clear" if current and record and record.clear else ""
    yield Finding(
        "encryption",
        ok=not missing,
        detail=f"{how}{also}{clear}.",
        advice=f"The key {', '.join(sorted(missing))} is not set: set TINTYPE_BLOB_KEY, or TINTYPE_BLOB_KEY_OLD.",
    )
    if current and (older or clear):
        yield Finding("encryption", ok=True, detail=f"`tintype encrypt-blobs` encrypts what is left in {root}.")


def certificate(settings: Settings) -> Iterator[Finding]:
    """Give whose the certificate is and when it ends; nothing when this server speaks http."""
    found = certificate_of(settings)
    if found is None:
        return
    left = found.expires - datetime.now(UTC)
    yield Finding(
        "certificate",
        ok=left >= LEAST_LEFT,
        detail=f"for {', '.join(found.names)}, until {found.expires:%Y-%m-%d %H:%M} UTC ({left.days} days).",
        advice="Renew it, then send SIGHUP to `tintype serve`.",
    )
