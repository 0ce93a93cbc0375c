"""What the server tells, as frozen values. Fields that a newer server adds are in `raw`, so nothing is lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Self

Method = Literal["direct", "put", "multipart", "tus"]
"""How bytes are sent: in one request to the API, in one to storage, in parts side by side, or in resumable pieces."""

Phase = Literal["sending", "processing", "done"]

SETTLED = frozenset({"ready", "rejected", "failed", "quarantined", "trashed", "purged"})
"""States that processing ends in; an image in `processing` is on its way to one of them."""


class Attachment(NamedTuple):
    """What an image belongs to, in your own words: `Attachment("product", "4711")`."""

    type: str
    id: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image. Sizes in pixels and bytes; they and `format` are None while the server has not looked at it yet."""

    id: str
    state: str
    state_reason: str | None
    kind: str
    url: str
    """Where the original is."""
    thumbnails: Mapping[str, str]
    """Where each size is, by the name of its preset."""
    page_url: str
    """A page to share, with cards for other sites."""
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
    """Of the bytes as they are stored, without the camera's data."""
    source_sha256: str | None
    """Of the bytes as they were sent; shown to the owner alone."""
    deduplicated: bool
    """Whether you had these very bytes already."""
    thumbhash: str | None
    dominant_color: str | None
    views: int | None
    owner: str | None
    attached_to: Attachment | None
    created_at: datetime
    expires_at: datetime | None
    delete_token: str | None = field(default=None, repr=False)
    """Deletes an anonymous image; told once. Pass it as `token` to `delete`."""
    read_token: str | None = field(default=None, repr=False)
    """Shows a private image to whoever has it; told once."""
    etag: str | None = field(default=None, repr=False, compare=False)
    """Names this state of it: `update(image, if_match=image.etag)` changes nothing that somebody else changed since."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The JSON as it came."""

    @classmethod
    def from_json(cls, told: Mapping[str, Any], *, etag: str | None = None) -> Self:
        """Return the image that the JSON tells of."""
        values = {name: told.get(name) for name in cls.__dataclass_fields__}
        attached = told.get("attached_to")
        values.update(
            thumbnails=dict(told.get("thumbnails") or {}),
            tags=tuple(told.get("tags") or ()),
            deduplicated=bool(told.get("deduplicated")),
            attached_to=Attachment(attached["type"], attached["id"]) if attached else None,
            created_at=datetime.fromisoformat(told["created_at"]),
            expires_at=_time(told.get("expires_at")),
            etag=etag,
            raw=told,
        )
        return cls(**values)  # type: ignore[arg-type] # each is what the contract says of it

    @property
    def ready(self) -> bool:
        """Whether every size is there."""
        return self.state == "ready"

    @property
    def settled(self) -> bool:
        """Whether processing has ended, well or not."""
        return self.state in SETTLED


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One size of an image in one format; its measures are None until it is made."""

    preset: str
    format: str
    width: int | None
    height: int | None
    bytes: int | None
    url: str
    state: str

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return the variant that the JSON tells of."""
        return cls(**{name: told.get(name) for name in cls.__dataclass_fields__})  # type: ignore[arg-type]


class SignedUrl(NamedTuple):
    """An address that opens an image to whoever has it, until then."""

    url: str
    expires_at: datetime


class PartUrl(NamedTuple):
    """Where one part of a multipart upload goes; parts are numbered from 1."""

    number: int
    url: str


@dataclass(frozen=True, kw_only=True)
class UploadLink:
    """An upload that was reserved: hand `url`, `http_method` and `headers` to whoever has the bytes.

    When they were sent, `client.complete_upload(link)` (or `POST /uploads/{id}/complete` with the write token) makes
    the image of them.
    """

    id: str
    image_id: str
    state: str
    method: str
    url: str
    http_method: str
    headers: Mapping[str, str]
    write_token: str = field(repr=False)
    read_token: str | None = field(repr=False)
    expires_at: datetime
    part_size: int | None = None
    """Bytes of each part but the last."""
    parts: tuple[PartUrl, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The JSON as it came."""

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return the upload that the JSON tells of."""
        target = told.get("upload") or {}
        return cls(
            id=told["id"],
            image_id=told["image_id"],
            state=told["state"],
            method=told["method"],
            url=target.get("url") or "",
            http_method=target.get("method") or "PUT",
            headers=dict(target.get("headers") or {}),
            write_token=told.get("write_token") or "",
            read_token=told.get("read_token"),
            expires_at=datetime.fromisoformat(told["expires_at"]),
            part_size=told.get("part_size"),
            parts=tuple(PartUrl(part["number"], part["url"]) for part in told.get("parts") or ()),
            raw=told,
        )


class Progress(NamedTuple):
    """How far an upload is."""

    sent: int
    """Bytes that have left; they may be fewer than before when a connection broke and some are sent again."""
    total: int
    phase: Phase

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return self.sent / self.total if self.total else 1.0


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
