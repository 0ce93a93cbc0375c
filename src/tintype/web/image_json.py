"""An image as clients see it (`api.md`). Presents what was read; asks nothing."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from tintype.db.variants import VariantRow
from tintype.domain.ids import ACCOUNT_PREFIX, public_id
from tintype.domain.image import Image, State
from tintype.domain.transform import Variant


class AttachmentJson(msgspec.Struct):
    """What an image belongs to."""

    type: str
    id: str


class ImageJson(msgspec.Struct, kw_only=True):
    """An image. `width` and `height` are pixels after orientation, `bytes` the stored size, times UTC.

    What only examination tells is null until the bytes of an upload are examined.
    """

    id: str
    state: Literal["processing", "ready", "rejected", "failed", "quarantined", "trashed", "purged"]
    state_reason: str | None
    kind: str
    url: str
    thumbnails: dict[str, str]
    page_url: str
    title: str | None
    alt: str | None
    tags: tuple[str, ...]
    visibility: str
    version: int
    format: str | None
    width: int | None
    height: int | None
    frames: int | None
    bytes: int | None
    sha256: str | None
    source_sha256: str | None
    deduplicated: bool
    thumbhash: str | None
    dominant_color: str | None
    views: int | None
    owner: str | None
    attached_to: AttachmentJson | None
    created_at: str
    expires_at: str | None
    delete_token: str | msgspec.UnsetType = msgspec.UNSET
    read_token: str | msgspec.UnsetType = msgspec.UNSET


class VariantJson(msgspec.Struct, kw_only=True):
    """A variant: sizes in pixels and bytes, null until it is made."""

    preset: str
    format: str
    width: int | None
    height: int | None
    bytes: int | None
    url: str
    state: Literal["ready", "processing", "on_demand"]


def present_image(
    image: Image,
    base_url: str,
    *,
    owner: bool = False,
    views: int | None = None,
    deduplicated: bool = False,
    delete_token: str | None = None,
    read_token: str | None = None,
) -> ImageJson:
    """Return the image's JSON; `owner` shows what only the owner may see."""
    link, pending, version = f"{base_url}/i/{image.ref}", image.pending, max(image.version, 1)
    return ImageJson(
        id=str(image.ref),
        state=image.state.value,
        state_reason=image.state_reason,
        kind=image.kind,
        url=f"{link}/original?v=1" if pending else f"{link}/original.{image.format.extension}?v={version}",
        thumbnails={
            preset.name: f"{link}/{preset.name}?v={version}" for preset in image.recipe.presets if preset.eager
        },
        page_url=f"{base_url}/p/{image.ref}",
        title=image.title,
        alt=image.alt,
        tags=image.tags,
        visibility=image.visibility,
        version=version,
        format=None if pending else image.format,
        width=None if pending else image.width,
        height=None if pending else image.height,
        frames=None if pending else image.frames,
        bytes=None if pending else image.size,
        sha256=None if pending else image.sha256.hex(),
        source_sha256=(image.source_sha256.hex() or None) if owner else None,
        deduplicated=deduplicated,
        thumbhash=image.thumbhash,
        dominant_color=image.dominant_color,
        views=views,
        owner=public_id(ACCOUNT_PREFIX, image.owner) if image.owner is not None else None,
        attached_to=AttachmentJson(image.attached_to.type, image.attached_to.id) if image.attached_to else None,
        created_at=utc_time(image.created_at),
        expires_at=utc_time(image.expires_at) if image.expires_at else None,
        delete_token=delete_token or msgspec.UNSET,
        read_token=read_token or msgspec.UNSET,
    )


def present_variant(
    image: Image, variant: Variant, row: VariantRow | None, *, eager: bool, base_url: str
) -> VariantJson:
    """Return the JSON of one variant, made or not."""
    fmt = variant.output.format
    waiting: Literal["processing", "on_demand"] = (
        "processing" if eager and image.state is State.PROCESSING else "on_demand"
    )
    return VariantJson(
        preset=variant.preset,
        format=fmt,
        width=row.width if row else None,
        height=row.height if row else None,
        bytes=row.size if row else None,
        url=f"{base_url}/i/{image.ref}/{variant.preset}.{fmt.extension}?v={max(image.version, 1)}",
        state="ready" if row else waiting,
    )


def utc_time(value: datetime) -> str:
    """Return the time as clients see it: RFC 3339 in UTC, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
