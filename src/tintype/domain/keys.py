"""The names of blobs in a store. They are made here from checked parts alone, and are opaque everywhere else.

`{tenant}/original/ab/cd/{sha256}` and `{tenant}/{preset}/ab/cd/{sha256}-{digest}-{file}.{ext}`: two levels of 256
directories keep any one of them small. Lower case throughout, for the file systems that do not tell the cases apart.
"""

from tintype.domain.format import Format


def original_key(tenant: int, sha256: bytes) -> str:
    """Return where the stored bytes of a blob lie."""
    return _key(tenant, "original", sha256, "")


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
