"""Which keys the blobs of a directory may be encrypted with: a small file beside them, read at every start.

It names keys by their ids, which tell nothing of them. A start with another key than the one that the blobs have is
refused by it before anything is written: with the wrong key nothing could be read, and what was uploaded meanwhile
would be under a key that nobody meant. It lies with the blobs, so that it moves with them and is in every backup of
them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tintype.adapters.blob_directory import DIRECTORY_MODE
from tintype.adapters.blob_keys import KeyRing
from tintype.adapters.durable_files import make_directories, write_durably

RECORD_NAME: Final = ".encryption"
"""In the directory of the blobs; no key begins with a dot."""

_RECORD_MODE: Final = 0o644
"""Whoever writes it, the server can read it; there is no secret in it."""


class BlobKeyRefused(Exception):
    """The keys that are configured are not those that the blobs need; the message says what to do."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The ids (hexadecimal) of the keys that blobs may be under, and whether some may be in clear."""

    ids: frozenset[str]
    clear: bool


def read_record(root: Path) -> KeyRecord | None:
    """Return what the directory says; None when nothing there was ever encrypted. Raises `BlobKeyRefused`."""
    path = root / RECORD_NAME
    try:
        found = json.loads(path.read_bytes())
        return KeyRecord(frozenset(map(str, found["keys"])), bool(found["clear"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BlobKeyRefused(f"{path} cannot be read: {error!r}. Restore it from a backup of the blobs.") from error


def write_record(root: Path, record: KeyRecord) -> None:
    """Replace what the directory says, durably; nothing is said when all is in clear. Raises `OSError`."""
    make_directories(root, mode=DIRECTORY_MODE)
    content = {"keys": sorted(record.ids), "clear": record.clear}
    write_durably(root / RECORD_NAME, json.dumps(content).encode() + b"\n", mode=_RECORD_MODE)


def admit(root: Path, keys: KeyRing) -> KeyRecord:
    """Return what blobs there may be, the current key among theirs from now on.

    Raises `BlobKeyRefused` when one of theirs is missing, and `OSError`.
    """
    record = read_record(root)
    given = frozenset(key.hex() for key in keys.ids)
    if record is not None and (missing := record.ids - given):
        raise BlobKeyRefused(_refusal(root, missing, given))
    known = record or KeyRecord(frozenset(), clear=_has_blobs(root))
    current = frozenset({keys.current.hex()}) if keys.current else frozenset[str]()
    wanted = KeyRecord(known.ids | current, known.clear or not current)
    if wanted != record and wanted.ids:
        write_record(root, wanted)
    return wanted


def _refusal(root: Path, missing: frozenset[str], given: frozenset[str]) -> str:
    theirs = f"Blobs in {root} are encrypted with the key {' and '.join(sorted(missing))} (an id, not the key itself)"
    if not given:
        return f"{theirs}, and no key is set. Set TINTYPE_BLOB_KEY to it."
    return (
        f"{theirs}, and what is set is {' and '.join(sorted(given))}. Set TINTYPE_BLOB_KEY to the right key; while you "
        "change to another one, name the old one in TINTYPE_BLOB_KEY_OLD until `tintype encrypt-blobs` is done."
    )


def _has_blobs(root: Path) -> bool:
    """Return whether anything lies there that a key could name."""
    try:
        return any(not entry.name.startswith(".") for entry in root.iterdir())
    except FileNotFoundError:
        return False
