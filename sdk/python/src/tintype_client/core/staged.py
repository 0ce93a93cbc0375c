"""Uploads that are reserved first, REQUEST → UPLOAD → CONFIRM: what the doors put, multipart and tus share."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tintype_client.core.api import Api, segment, shown_image, told
from tintype_client.core.arguments import new_key, refuse_unknown
from tintype_client.core.effects import Broken, Flow, Source, send
from tintype_client.core.fields import FIELDS, Fields, as_json, fields_of
from tintype_client.core.multipart import parts_there, send_parts
from tintype_client.core.progress import Meter
from tintype_client.core.put import put_file
from tintype_client.core.tus import send_pieces
from tintype_client.core.waiting import look, until_ready
from tintype_client.errors import Gone, NotFound, UploadExpired
from tintype_client.models import Image, UploadLink

OPEN: Final = frozenset({"requested", "receiving"})
"""States of an upload that takes bytes."""

ARRIVED: Final = frozenset({"received", "committed"})
"""States of an upload that has all of them: it is safe, and an image or about to be one."""


StagedMethod = Literal["put", "multipart", "tus"]
"""How the bytes of a reserved upload come."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload under way, with what of it the server has."""

    link: UploadLink
    state: str
    parts: Mapping[int, str] = field(default_factory=dict)
    """ETags of the parts that are there, by their number."""

    @property
    def address_may_be_over(self) -> bool:
        """Whether it takes a PUT whose address was signed a while ago: reserved with its key again, it gets another."""
        return self.link.method == "put" and self.state in OPEN


class LinkOptions(Fields, total=False):
    """What may be said of an upload when it is reserved."""

    method: StagedMethod
    """How the bytes are to come: `put` unless you say."""
    filename: str | None
    content_type: str | None
    """The media type that will be sent with them: it may be bound by the signature."""
    sha256: str | None
    """What the file's SHA-256 must be, in hexadecimal."""
    idempotency_key: str | None


_LINK_OPTIONS: Final = FIELDS | LinkOptions.__annotations__.keys()


def reserve(api: Api, size: int, options: LinkOptions) -> Flow[UploadLink]:
    """Return the upload that is reserved: the same one however often it is asked for with this key."""
    refuse_unknown(options, _LINK_OPTIONS)
    declared = {name: options.get(name) for name in ("filename", "content_type", "sha256")}
    content = {
        **as_json(fields_of(options)),
        **{name: value for name, value in declared.items() if value is not None},
        "method": options.get("method", "put"),
        "size": size,
    }
    headers = {"idempotency-key": options.get("idempotency_key") or new_key()}
    answer = yield from api.call("POST", "/uploads", content=content, headers=headers)
    return UploadLink.from_json(told(answer))


def reserved_before(api: Api, link: UploadLink) -> Flow[Begun | None]:
    """Return how far an upload of an earlier run is, None when it takes no bytes any more and is no image either."""
    try:
        answer = yield from api.call("GET", f"/uploads/{segment(link.id)}", token=link.write_token)
    except (NotFound, Gone, UploadExpired):
        return None
    shown = told(answer)
    begun = Begun(link, str(shown["state"]), parts_there(shown))
    return begun if begun.state in OPEN | ARRIVED else None


def send_and_confirm(api: Api, source: Source, begun: Begun, meter: Meter, parallel: int) -> Flow[Image]:
    """Return the image once the server has the whole file and says so."""
    link = begun.link
    content: dict[str, Any] = {}
    if begun.state in OPEN:
        if link.method == "tus":
            yield from send_pieces(api, source, link, meter)
        elif link.method == "multipart":
            named = yield from send_parts(api, source, link, there=begun.parts, meter=meter, parallel=parallel)
            content = {"parts": named}
        else:
            yield from put_file(api, source, link, meter)
    if link.method == "tus" or begun.state in ARRIVED:  # the last piece of tus confirms
        return (yield from look(api, link.image_id, token=link.write_token))
    return (yield from confirm(api, link, content))


def confirm(api: Api, link: UploadLink, content: Mapping[str, Any]) -> Flow[Image]:
    """Return the image; when this answers, it is safe. `content` has the parts of a multipart upload."""
    path = f"/uploads/{segment(link.id)}/complete"
    answer = yield from api.call("POST", path, content=dict(content), token=link.write_token)
    return shown_image(answer)


def complete(api: Api, link: UploadLink, *, limit: float) -> Flow[Image]:
    """Return the image of bytes that somebody else has sent, ready within `limit` seconds; 0 does not wait."""
    begun = yield from reserved_before(api, link)
    if begun is None:
        raise over()
    named = [{"number": number, "etag": etag} for number, etag in sorted(begun.parts.items())]
    image = yield from confirm(api, link, {"parts": named} if link.method == "multipart" else {})
    if not limit:
        return image
    return (yield from until_ready(api, image, limit=limit, token=link.write_token))


def over() -> UploadExpired:
    """Return the refusal of an upload that takes nothing any more."""
    return UploadExpired(410, "upload.expired", "This upload takes nothing any more. Reserve another one.")


def abort(api: Api, link: UploadLink) -> Flow[None]:
    """Give back what the upload holds, if the server can be told: it finds out by itself, later."""
    request = api.request("DELETE", f"/uploads/{segment(link.id)}", token=link.write_token)
    with suppress(Broken):
        yield from send(request)
