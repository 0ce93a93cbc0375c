"""Chooses where blobs and staged bytes lie, and opens them with the keys that the settings name."""

import os
from pathlib import Path

from tintype.adapters.blob_key_record import BlobKeyRefused, KeyRecord, admit, read_record, write_record
from tintype.adapters.blob_keys import KeyRing
from tintype.adapters.blobs_encrypted import EncryptedBlobStore
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.adapters.staging_local import LocalStaging
from tintype.adapters.staging_sealed import SealedStaging
from tintype.ports.blobs import BlobStore
from tintype.ports.staging import Staging
from tintype.settings import Settings
from tintype.settings_values import directory_of


def blob_root(settings: Settings) -> Path:
    """Return the directory of the blobs."""
    return directory_of(settings.blobs_url) if settings.blobs_url else settings.data / "blobs"


def blob_store(settings: Settings) -> BlobStore:
    """Return the store that the settings name.

    Raises `BlobKeyRefused` when its blobs are encrypted with a key that is not among those of the settings.
    """
    return encrypted_store(settings) if key_ring(settings) else LocalBlobStore(admit_plain(settings))


def encrypted_store(settings: Settings) -> EncryptedBlobStore:
    """Return the store that reads and writes with the keys of the settings. Raises `BlobKeyRefused`."""
    keys = key_ring(settings) or KeyRing(None)
    root = blob_root(settings)
    return EncryptedBlobStore(root, keys, accept_clear=admit(root, keys).clear)


def staging(settings: Settings) -> Staging:
    """Return the place for bytes on their way in, encrypted where the blobs are."""
    kind = SealedStaging if settings.encryption.key else LocalStaging
    return kind(settings.data / "staging", reserve_bytes=settings.upload.reserve_bytes)


def admit_keys(settings: Settings) -> None:
    """Raise `BlobKeyRefused` unless every blob can be read with the keys of the settings."""
    keys = key_ring(settings)
    admit(blob_root(settings), keys) if keys else admit_plain(settings)


def key_ring(settings: Settings) -> KeyRing | None:
    """Return the keys of the settings, None when there are none. Raises `BlobKeyRefused` where they cannot be used."""
    given = settings.encryption
    if given.key is None and not given.old_keys:
        return None
    if not hasattr(os, "memfd_create"):
        raise BlobKeyRefused("Images can be encrypted on Linux alone: elsewhere there are no files in memory.")
    return KeyRing(given.key, given.old_keys)


def admit_plain(settings: Settings) -> Path:
    """Return the directory of blobs that are all in clear. Raises `BlobKeyRefused` for any other."""
    root = blob_root(settings)
    if read_record(root) is not None:
        admit(root, KeyRing(None))
    return root


def recorded_keys(settings: Settings) -> KeyRecord | None:
    """Return which keys the blobs may be under; None when none was ever encrypted. Raises `BlobKeyRefused`."""
    return read_record(blob_root(settings))


def settle_keys(settings: Settings) -> KeyRecord:
    """Write down that every blob is as the settings say, and return that: older keys are needed no more."""
    current = settings.encryption.key
    keys = KeyRing(current)
    record = KeyRecord(frozenset(key.hex() for key in keys.ids), clear=current is None)
    write_record(blob_root(settings), record)
    return record
