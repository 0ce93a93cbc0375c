"""An upload as clients see it (`api.md` Uploads). Presents what was read; asks nothing."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from tintype.domain.upload import Part, Upload
from tintype.web.image_json import utc_time


class UploadTargetJson(msgspec.Struct):
    """Where the bytes go, by which method, and with which headers exactly."""

    url: str
    method: str
    headers: dict[str, str]


class UploadPartJson(msgspec.Struct, kw_only=True):
    """A part: its size in bytes; `etag` once it is there, `url` where it may be sent."""

    number: int
    size: int
    etag: str | msgspec.UnsetType = msgspec.UNSET
    url: str | msgspec.UnsetType = msgspec.UNSET


class UploadJson(msgspec.Struct, kw_only=True):
    """An upload. Sizes are bytes, times UTC; `received` is what is safely there."""

    id: str
    image_id: str
    state: Literal["requested", "receiving", "received", "committed", "aborted", "expired", "rejected"]
    state_reason: str | None
    method: Literal["put", "multipart", "tus", "url"]
    kind: str
    filename: str | None
    content_type: str | None
    size: int | None
    sha256: str | None
    received: int
    part_size: int | None
    parts: list[UploadPartJson]
    created_at: str
    expires_at: str
    upload: UploadTargetJson | msgspec.UnsetType = msgspec.UNSET
    write_token: str | msgspec.UnsetType = msgspec.UNSET
    read_token: str | msgspec.UnsetType = msgspec.UNSET


class UploadPartsJson(msgspec.Struct):
    """Parts and where they are to be sent."""

    parts: list[UploadPartJson]


def present_upload(upload: Upload, parts: list[UploadPartJson]) -> UploadJson:
    """Return the upload's JSON."""
    return UploadJson(
        id=upload.public_id,
        image_id=str(upload.ref),
        state=upload.state.value,
        state_reason=upload.state_reason,
        method=upload.method.value,
        kind=upload.kind,
        filename=upload.filename,
        content_type=upload.content_type,
        size=upload.size,
        sha256=upload.sha256.hex() if upload.sha256 else None,
        received=upload.received,
        part_size=upload.part_size,
        parts=parts,
        created_at=utc_time(upload.created_at),
        expires_at=utc_time(upload.expires_at),
    )


def parts_there(parts: Iterable[Part]) -> list[UploadPartJson]:
    """Return the JSON of parts that are there."""
    return [
        UploadPartJson(number=part.number, size=part.size, etag=f'"{part.etag}"' if part.etag else msgspec.UNSET)
        for part in parts
    ]
