"""`/oembed`: a share page's picture for programs that embed what a link leads to (oembed.com, version 1.0).

Limits are kept to the pixel: the largest size that fits, whole if there is one. Where none fits, the answer is a `link`
and names no picture. What is not for everybody who has the link is not found.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Response, get
from litestar.di import NamedDependency

from tintype.domain.errors import Code, Problem
from tintype.domain.image import SERVED, Image
from tintype.domain.visibility import Visibility
from tintype.reads.delivery import DeliveryRecord
from tintype.web.delivery_answer import cache_tag
from tintype.web.html import join, plain, tag
from tintype.web.images_api import ApiRequest, ImagesApi, ref_of
from tintype.web.share_html import SITE
from tintype.web.share_sizes import Size, embedded_size, preset_sizes

CACHE_SECONDS: Final = 300
"""How long a consumer may believe it: as long as any address without a version."""

_PAGE: Final = re.compile(r"/p/(img_[0-9A-Za-z]{22})/?")
_PIXELS: Final = re.compile(r"[1-9][0-9]{0,8}")

Fields = dict[str, str | int]


@get("/oembed", include_in_schema=False)
async def oembed(request: ApiRequest, api: NamedDependency[ImagesApi]) -> Response[Any]:
    """Describe the picture of a share page."""
    wanted = _wanted(request)
    base_url = api.base_url(request)
    record = await _shared(api, wanted.url, base_url)
    image = record.image
    size = embedded_size(image, record.presets, wanted.width, wanted.height)
    thumbnail = next((each for each in _thumbnails(record) if each.fits(wanted.width, wanted.height)), None)
    media_type, written = _FORMATS[wanted.format]
    headers = {
        "cache-control": f"public, max-age={CACHE_SECONDS}",
        "cache-tag": cache_tag(image),
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
        **({} if image.visibility is Visibility.PUBLIC else {"x-robots-tag": "noindex"}),
    }
    return Response(written(_fields(image, base_url, size, thumbnail)), headers=headers, media_type=media_type)


@dataclass(frozen=True, slots=True)
class _Wanted:
    url: str
    format: str
    width: int | None
    height: int | None


def _wanted(request: ApiRequest) -> _Wanted:
    query = request.query_params
    fmt = query.get("format", "json")
    if fmt not in _FORMATS:
        raise Problem(Code.OEMBED_FORMAT, "There is json and xml; leave `format` out for json.")
    url = query.get("url")
    if not url:
        raise Problem(Code.REQUEST_UNREADABLE, "`url` is missing: the address of a share page, encoded.")
    return _Wanted(url, fmt, _pixels(request, "maxwidth"), _pixels(request, "maxheight"))


def _pixels(request: ApiRequest, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not _PIXELS.fullmatch(text):
        raise Problem(Code.REQUEST_UNREADABLE, f"`{name}` is a number of pixels, such as 600.")
    return int(text)


async def _shared(api: ImagesApi, url: str, base_url: str) -> DeliveryRecord:
    """Return the image of a share page of ours, if whoever has the link may see it."""
    try:
        parts, ours = urlsplit(url), urlsplit(base_url)
    except ValueError as error:
        raise _nothing() from error
    match = _PAGE.fullmatch(parts.path)
    if match is None or parts.scheme not in {"http", "https"} or parts.netloc.lower() != ours.netloc.lower():
        raise _nothing()
    record = await api.records.get(ref_of(match[1]))
    image = record.image
    if record.expired or image.state not in SERVED or image.pending or not record.by_link:
        raise _nothing()
    return record


def _nothing() -> Problem:
    return Problem(Code.NOT_FOUND, "There is no share page at this address that everybody may see.")


def _thumbnails(record: DeliveryRecord) -> list[Size]:
    """Return what the job has made, the largest first."""
    eager = {preset.name for preset in record.image.recipe.presets if preset.eager}
    return [size for size in preset_sizes(record.image, record.presets) if size.name in eager]


def _fields(image: Image, base_url: str, size: Size | None, thumbnail: Size | None) -> Fields:
    fields: Fields = {"version": "1.0", "type": "photo" if size else "link"}
    if image.title:
        fields["title"] = plain(image.title)
    fields |= {"provider_name": SITE, "provider_url": f"{base_url}/", "cache_age": CACHE_SECONDS}
    if size:
        fields |= {"url": base_url + size.path, "width": size.width, "height": size.height}
    if thumbnail:
        fields |= {
            "thumbnail_url": base_url + thumbnail.path,
            "thumbnail_width": thumbnail.width,
            "thumbnail_height": thumbnail.height,
        }
    return fields


def _as_json(fields: Fields) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def _as_xml(fields: Fields) -> bytes:
    elements = [tag(name, None, str(value)) for name, value in fields.items()]
    return f'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n{tag("oembed", None, join(*elements))}\n'.encode()


_FORMATS: Final[dict[str, tuple[str, Callable[[Fields], bytes]]]] = {
    "json": ("application/json", _as_json),
    "xml": ("text/xml", _as_xml),
}
