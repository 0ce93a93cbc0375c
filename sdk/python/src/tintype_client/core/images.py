"""Everything else about images: one flow for each call, a page at a time for lists."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypedDict

from tintype_client.core.api import Api, file_headers, segment, shown_image, told
from tintype_client.core.arguments import ImageOrId, id_of, new_key, refuse_unknown, seconds, token_of
from tintype_client.core.effects import Flow, Source, digest, whole
from tintype_client.core.fields import FIELDS, AttachTo, Fields, as_json, attachment
from tintype_client.core.progress import Meter, OnProgress
from tintype_client.core.waiting import look, prefer_wait, until_ready
from tintype_client.models import Image, SignedUrl, Variant


class Filters(TypedDict, total=False):
    """Which images a list has: those that suit all of these."""

    kind: str
    state: str
    source_sha256: str
    """The SHA-256 of the file as it was sent."""
    attached_to: AttachTo
    q: str
    """Words of title, alt or tags; the last may be a beginning."""


class Changes(TypedDict, total=False):
    """What may be changed of an image; None clears, what is not named stays."""

    title: str | None
    alt: str | None
    tags: Sequence[str] | None
    visibility: str
    expires_at: datetime | None
    attach_to: AttachTo | None


class ReplaceOptions(TypedDict, total=False):
    """How to replace an image's bytes."""

    token: str | None
    if_match: str | None
    wait: bool | float
    on_progress: OnProgress | None


class Page(NamedTuple):
    """Some images of a list, and the cursor of those after them; None at the end."""

    images: tuple[Image, ...]
    next: str | None


_FILTERS: Final = frozenset(Filters.__annotations__)
_CHANGES: Final = frozenset(Changes.__annotations__)
_REPLACE_OPTIONS: Final = frozenset(ReplaceOptions.__annotations__)


def get(api: Api, image: ImageOrId, token: str | None) -> Flow[Image]:
    """Return the image as it is now."""
    return look(api, id_of(image), token=token_of(image, token))


def wait_for(api: Api, image: Image, limit: float) -> Flow[Image]:
    """Return the image once it is ready."""
    return until_ready(api, image, limit=limit, token=image.delete_token)


def list_page(api: Api, filters: Filters, *, cursor: str | None, limit: int) -> Flow[Page]:
    """Return a page of the caller's images, newest first."""
    refuse_unknown(filters, _FILTERS)
    query = [("limit", str(limit))] + ([("cursor", cursor)] if cursor else [])
    for name, value in filters.items():
        named = attachment(filters["attached_to"]) if name == "attached_to" else None
        query.append((name, ":".join(named) if named else str(value)))
    shown = told((yield from api.call("GET", "/images", query=query)))
    return Page(tuple(map(Image.from_json, shown["items"])), shown["next"])


def import_url(api: Api, url: str, fields: Fields, *, key: str | None, wait: bool | float) -> Flow[Image]:
    """Return the image that the server made of what it found at the URL."""
    refuse_unknown(fields, FIELDS)
    limit = seconds(wait)
    headers = {"idempotency-key": key or new_key(), **prefer_wait(limit)}
    content = {**as_json(fields), "source_url": url}
    image = shown_image((yield from api.call("POST", "/images", content=content, headers=headers)))
    if not limit:
        return image
    return (yield from until_ready(api, image, limit=limit, token=image.delete_token))


def replace_content(api: Api, image: ImageOrId, source: Source, options: ReplaceOptions) -> Flow[Image]:
    """Return the image with the bytes of the source in place of its own: its version is one more."""
    refuse_unknown(options, _REPLACE_OPTIONS)
    limit, token = seconds(options.get("wait", True)), token_of(image, options.get("token"))
    meter = Meter(source.size, options.get("on_progress"))
    headers = {**file_headers(source, (yield from digest(whole(source)))), **_if_match(options.get("if_match"))}
    body = replace(whole(source), sent=meter.part(0))
    answer = yield from api.call("PUT", f"{_path(image)}/content", body=body, headers=headers, token=token)
    replaced = shown_image(answer)
    if limit:
        meter.processing()
        replaced = yield from until_ready(api, replaced, limit=limit, token=token)
    meter.done()
    return replaced


def update(api: Api, image: ImageOrId, changes: Changes, *, token: str | None, if_match: str | None) -> Flow[Image]:
    """Return the image with the changes."""
    refuse_unknown(changes, _CHANGES)
    content: dict[str, Any] = dict(changes)
    if changes.get("attach_to") is not None:
        content["attach_to"] = attachment(changes["attach_to"])._asdict()
    if changes.get("tags") is not None:
        content["tags"] = list(changes["tags"] or ())
    expires_at = changes.get("expires_at")
    if expires_at is not None:
        content["expires_at"] = expires_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    shown = token_of(image, token)
    return shown_image(
        (yield from api.call("PATCH", _path(image), content=content, headers=_if_match(if_match), token=shown))
    )


def delete(api: Api, image: ImageOrId, *, purge: bool, token: str | None, if_match: str | None) -> Flow[None]:
    """Put the image into the trash or, with `purge`, delete it for good."""
    query = [("purge", "true")] if purge else []
    shown = token_of(image, token)
    yield from api.call("DELETE", _path(image), query=query, headers=_if_match(if_match), token=shown)


def restore(api: Api, image: ImageOrId, token: str | None) -> Flow[Image]:
    """Return the image, out of the trash."""
    return shown_image((yield from api.call("POST", f"{_path(image)}/restore", token=token_of(image, token))))


def variants(api: Api, image: ImageOrId, token: str | None) -> Flow[tuple[Variant, ...]]:
    """Return every size in every format, made or not."""
    answer = yield from api.call("GET", f"{_path(image)}/variants", token=token_of(image, token))
    return tuple(map(Variant.from_json, told(answer)["items"]))


class SignedUrlWanted(NamedTuple):
    """Which size, in which format (None: the best that a browser takes), for how many seconds."""

    preset: str
    format: str | None
    expires_in: int


def signed_url(api: Api, image: ImageOrId, wanted: SignedUrlWanted, token: str | None) -> Flow[SignedUrl]:
    """Return an address of the image that needs no credential."""
    content = {name: value for name, value in wanted._asdict().items() if value is not None}
    answer = yield from api.call("POST", f"{_path(image)}/signed-url", content=content, token=token_of(image, token))
    shown = told(answer)
    return SignedUrl(shown["url"], datetime.fromisoformat(shown["expires_at"]))


def _path(image: ImageOrId) -> str:
    return f"/images/{segment(id_of(image))}"


def _if_match(etag: str | None) -> Mapping[str, str]:
    return {"if-match": etag} if etag else {}
