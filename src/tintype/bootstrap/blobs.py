"""Chooses where blobs and staged bytes lie, and opens them with the keys that the settings name."""

import os
from dataclasses import dataclass
from pathlib import Path

from tintype.adapters.blob_key_record import BlobKeyRefused, KeyRecord, admit, read_record, write_record
from tintype.adapters.blob_keys import KeyRing
from tintype.adapters.blobs_encrypted import EncryptedBlobStore
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.adapters.blobs_mirrored import MirroredBlobStore
from tintype.adapters.staging_local import LocalStaging
from tintype.adapters.staging_sealed import CLEAR_BYTES, SealedStaging
from tintype.ports.blobs import BlobStore
from tintype.ports.direct_uploads import DirectUploads
from tintype.ports.staging import Staging
from tintype.settings import Settings
from tintype.settings_blobs import BlobPlace, Directory, OtherBucket, S3Bucket, place_of, s3_credentials


def blob_place(settings: Settings) -> BlobPlace:
    """Return where the settings say that blobs lie."""
    return place_of(settings.blobs_url) if settings.blobs_url else Directory(settings.data / "blobs")


def blob_places(settings: Settings) -> tuple[BlobPlace, ...]:
    """Return every place that has blobs: one, or two while they move."""
    mirror = settings.blobs_mirror_url
    return (blob_place(settings), place_of(mirror)) if mirror else (blob_place(settings),)


def local_root(settings: Settings) -> Path | None:
    """Return the directory of the blobs, None when they lie elsewhere."""
    place = blob_place(settings)
    return place.path if isinstance(place, Directory) else None


def blob_store(settings: Settings) -> BlobStore:
    """Return the store that the settings name.

    Raises `BlobKeyRefused` when its blobs are encrypted with a key that is not among those of the settings, and
    `NoCredentials`.
    """
    both = both_stores(settings)
    return MirroredBlobStore(both.first, both.second) if both else _store_at(settings, blob_place(settings))


@dataclass(frozen=True, slots=True)
class BothStores:
    """The store that counts, its mirror, and where they are."""

    first: BlobStore
    second: BlobStore
    places: tuple[BlobPlace, BlobPlace]


def both_stores(settings: Settings) -> BothStores | None:
    """Return both stores while blobs move from one to the other, None otherwise. Raises as `blob_store`."""
    if settings.blobs_mirror_url is None:
        return None
    places = blob_place(settings), place_of(settings.blobs_mirror_url)
    return BothStores(_store_at(settings, places[0]), _store_at(settings, places[1]), places)


def direct_uploads(blobs: BlobStore) -> DirectUploads | None:
    """Return how clients put bytes straight into this store; None where the API's own addresses serve."""
    return getattr(blobs, "uploads", None)


async def keeps_versions(blobs: BlobStore) -> bool:
    """Return whether the store keeps what is deleted from it. Raises `BlobStoreFailed`."""
    ask = getattr(blobs, "keeps_versions", None)
    return ask is not None and bool(await ask())


def encrypted_store(settings: Settings) -> EncryptedBlobStore:
    """Return the store that reads and writes with the keys of the settings. Raises `BlobKeyRefused`."""
    return _encrypted_at(_root(settings), key_ring(settings) or KeyRing(None))


def staging(settings: Settings) -> Staging:
    """Return the place for bytes on their way in, encrypted where the blobs are."""
    directory, reserve_bytes = settings.data / "staging", settings.upload.reserve_bytes
    if not settings.encryption.key:
        return LocalStaging(directory, reserve_bytes=reserve_bytes)
    largest = max(kind.limits.max_bytes for kind in settings.kinds.values())
    return SealedStaging(directory, reserve_bytes=reserve_bytes, clear_bytes=max(CLEAR_BYTES, largest))


def admit_keys(settings: Settings) -> None:
    """Raise `BlobKeyRefused` or `NoCredentials` unless every blob can be read with what the settings say."""
    for place in blob_places(settings):
        if isinstance(place, Directory):
            keys = key_ring(settings)
            admit(place.path, keys) if keys else admit_plain(place.path)
        else:
            _refuse_keys(settings)
        if isinstance(place, S3Bucket):
            s3_credentials()


def key_ring(settings: Settings) -> KeyRing | None:
    """Return the keys of the settings, None when there are none. Raises `BlobKeyRefused` where they cannot be used."""
    given = settings.encryption
    if given.key is None and not given.old_keys:
        return None
    if not hasattr(os, "memfd_create"):
        raise BlobKeyRefused("Images can be encrypted on Linux alone: elsewhere there are no files in memory.")
    return KeyRing(given.key, given.old_keys)


def admit_plain(root: Path) -> Path:
    """Return the directory, whose blobs are all in clear. Raises `BlobKeyRefused` for any other."""
    if read_record(root) is not None:
        admit(root, KeyRing(None))
    return root


def recorded_keys(settings: Settings) -> KeyRecord | None:
    """Return which keys the blobs may be under; None when none was ever encrypted. Raises `BlobKeyRefused`."""
    return read_record(_root(settings))


def settle_keys(settings: Settings) -> KeyRecord:
    """Write down that every blob is as the settings say, and return that: older keys are needed no more."""
    current = settings.encryption.key
    keys = KeyRing(current)
    record = KeyRecord(frozenset(key.hex() for key in keys.ids), clear=current is None)
    write_record(_root(settings), record)
    return record


def _root(settings: Settings) -> Path:
    root = local_root(settings)
    if root is None:
        raise ValueError("the blobs lie in no directory")
    return root


def _store_at(settings: Settings, place: BlobPlace) -> BlobStore:
    if isinstance(place, Directory):
        keys = key_ring(settings)
        return _encrypted_at(place.path, keys) if keys else LocalBlobStore(admit_plain(place.path))
    _refuse_keys(settings)
    return _remote_store(settings, place)


def _encrypted_at(root: Path, keys: KeyRing) -> EncryptedBlobStore:
    return EncryptedBlobStore(root, keys, accept_clear=admit(root, keys).clear)


def _refuse_keys(settings: Settings) -> None:
    """Raise `BlobKeyRefused` when there is a key, and no directory whose blobs it may be for."""
    has_directory = any(isinstance(place, Directory) for place in blob_places(settings))
    if not has_directory and (settings.encryption.key or settings.encryption.old_keys):
        raise BlobKeyRefused(
            "TINTYPE_BLOB_KEY encrypts images on the local disk, and TINTYPE_BLOBS_URL names a bucket: have the bucket "
            "encrypt them, and unset the key."
        )


def _remote_store(settings: Settings, place: S3Bucket | OtherBucket) -> BlobStore:
    # Loaded where it is needed: an installation with a local disk starts without obstore's 20 MB.
    from tintype.adapters.blobs_remote import other_store  # noqa: PLC0415
    from tintype.adapters.blobs_s3 import S3BlobStore  # noqa: PLC0415

    if isinstance(place, S3Bucket):
        return S3BlobStore(place, s3_credentials(), staging(settings))
    return other_store(place, staging(settings))
