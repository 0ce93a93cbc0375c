"""The names of blobs in a store. They are made here from checked parts alone, and are opaque everywhere else.

`{tenant}/original/ab/cd/{sha256}` and `{tenant}/{preset}/ab/cd/{sha256}-{digest}-{file}.{ext}`: two levels of 256
directories keep any one of them small. Lower case throughout, for the file systems that do not tell the cases apart.

`staging/{tenant}/{ab}/{upload}-{number}-{sha256}` is a part of an upload that is under way, or, written by the client
itself, `…-object`: a few directories for all uploads of a tenant, because a store of files keeps each for ever.

`journal/purges/{day}/…` is the purge journal, `journal/accounts/{day}/…` that of deleted accounts, and
`exports/{tenant}/{account}-{id}.zip` what somebody asked for. No tenant is named so: theirs are hexadecimal numbers.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from tintype.domain.format import Format

JOURNAL_PREFIX: Final = "journal/purges/"
ACCOUNT_JOURNAL_PREFIX: Final = "journal/accounts/"
EXPORT_PREFIX: Final = "exports/"
STAGING_PREFIX: Final = "staging/"
PROBE_PREFIX: Final = "0/probe/"
"""What tries a store out writes here and removes it."""

ORIGINAL: Final = "original"
"""The section of the stored bytes; no preset is called so."""

_STORED: Final = re.compile(
    r"(?P<tenant>[1-9a-f][0-9a-f]{0,15})/(?P<section>[a-z0-9][a-z0-9-]{0,31})/(?P<one>..)/(?P<two>..)/"
    r"(?P<sha256>[0-9a-f]{64})(?:-(?P<digest>[0-9a-f]{32})-[0-9a-f]{16}\.(?:jpg|png|gif|webp))?"
)


_STAGED: Final = re.compile(
    rf"{STAGING_PREFIX}([1-9a-f][0-9a-f]{{0,15}})/[0-9a-f]{{2}}/([0-9a-f]{{16}})-(?:object|[0-9a-f]{{12}}-[0-9a-f]{{64}})"
)
_EXPORT: Final = re.compile(rf"{EXPORT_PREFIX}([1-9a-f][0-9a-f]{{0,15}})/([0-9a-f]{{16}})-([0-9a-f]{{16}})\.zip")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What a key says of its blob; `digest` is None for stored bytes, else what the variant was made by."""

    tenant: int
    sha256: bytes
    section: str
    digest: str | None


def parse_key(key: str) -> StoredKey | None:
    """Return what the key names, or None when it is none that we would make for an image."""
    found = _STORED.fullmatch(key)
    if found is None or not found["sha256"].startswith(found["one"] + found["two"]):
        return None
    if (found["section"] == ORIGINAL) != (found["digest"] is None):
        return None
    return StoredKey(int(found["tenant"], 16), bytes.fromhex(found["sha256"]), found["section"], found["digest"])


def named_digest(key: str) -> str:
    """Return what the SHA-256 (hexadecimal) of the blob begins with by its own name; nothing when that says nothing."""
    stored = parse_key(key)
    if stored is None:
        return ""
    return stored.sha256.hex() if stored.digest is None else key.rpartition("-")[2].partition(".")[0]


def journal_day_prefix(day: date) -> str:
    """Return what the journal's keys of one day begin with."""
    return f"{JOURNAL_PREFIX}{day.isoformat()}/"


def exports_of(tenant: int, account: int) -> str:
    """Return what the keys of an account's exports begin with."""
    return f"{EXPORT_PREFIX}{tenant:x}/{account:016x}-"


def export_key(tenant: int, account: int, export: int) -> str:
    """Return where the file of an export lies."""
    return f"{exports_of(tenant, account)}{export:016x}.zip"


def parse_export_key(key: str) -> tuple[int, int, int] | None:
    """Return the tenant, the account and the export that `export_key` named, or None for another key."""
    found = _EXPORT.fullmatch(key)
    return (int(found[1], 16), int(found[2], 16), int(found[3], 16)) if found else None


def staging_prefix(tenant: int, upload: int) -> str:
    """Return what the keys of an upload's staged bytes begin with."""
    return f"{STAGING_PREFIX}{tenant:x}/{upload & 0xFF:02x}/{upload:016x}-"


def staged_part_key(tenant: int, upload: int, number: int, sha256: bytes) -> str:
    """Return where a part of an upload lies. It is named by its bytes, too: other bytes have another key."""
    return f"{staging_prefix(tenant, upload)}{number:012x}-{sha256.hex()}"


def staged_object_key(tenant: int, upload: int) -> str:
    """Return where a client writes the whole of an upload to a remote store by itself."""
    return f"{staging_prefix(tenant, upload)}object"


def parse_staging_key(key: str) -> tuple[int, int] | None:
    """Return the tenant and the upload of a staged key, or None for another key."""
    found = _STAGED.fullmatch(key)
    return (int(found[1], 16), int(found[2], 16)) if found else None


def original_key(tenant: int, sha256: bytes) -> str:
    """Return where the stored bytes of a blob lie."""
    return _key(tenant, ORIGINAL, sha256, "")


def variant_key(*, tenant: int, preset: str, sha256: bytes, digest: str, file_sha256: bytes, fmt: Format) -> str:
    """Return where a variant of the blob lies; `preset` is the name it was first made for.

    It is named by what made it and by what came out: two renders that differ in a pixel never share a name.
    """
    return _key(tenant, preset, sha256, f"-{digest}-{file_sha256.hex()[:16]}.{fmt.extension}")


def variant_prefix(tenant: int, preset: str, sha256: bytes) -> str:
    """Return what the keys of all variants begin with that were made of a blob for `preset`."""
    return _key(tenant, preset, sha256, "-")


def _key(tenant: int, section: str, sha256: bytes, suffix: str) -> str:
    name = sha256.hex()
    return f"{tenant:x}/{section}/{name[:2]}/{name[2:4]}/{name}{suffix}"
