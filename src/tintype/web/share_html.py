"""The share page as a document: what people see, and what programs that preview links read in its head."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from tintype.domain.image import Image, State
from tintype.domain.visibility import Visibility
from tintype.web.html import Html, join, tag
from tintype.web.share_sizes import Size

SITE: Final = "Tintype"
UNTITLED: Final = "A picture"
_OEMBED: Final = {"json": "application/json+oembed", "xml": "text/xml+oembed"}
MOST_DESCRIPTION: Final = 300
"""Characters of a description in a head: previews cut it off well before."""


@dataclass(frozen=True, slots=True)
class SharedImage:
    """What the page is about: the image, the size that it shows, where links lead, who looks with which token."""

    image: Image
    shown: Size
    original: Size
    base_url: str
    views: int | None
    token: str
    by_link: bool
    """Whether whoever has the link may see it, programs too."""

    @property
    def page_url(self) -> str:
        """The page's address, without any token."""
        return f"{self.base_url}/p/{self.image.ref}"

    @property
    def name(self) -> str:
        """The picture's title, or what there is instead."""
        return self.image.title or UNTITLED

    def here(self, size: Size) -> str:
        """Return where this page finds the size: on this host, with the token that opened the page."""
        return f"{size.page_path}&token={quote(self.token)}" if self.token else size.page_path


def share_document(shared: SharedImage) -> bytes:
    """Return the page of an image that can be shown."""
    head = join(*_described(shared), *(_previewed(shared) if shared.by_link else ()))
    return _document(f"{shared.name} · {SITE}", head, _picture(shared), facing="shows")


def notice_document(title: str, text: str) -> bytes:
    """Return a page that says why there is no picture."""
    body = tag("main", {"class": "message"}, tag("h1", None, title), tag("p", None, text))
    return _document(f"{title} · {SITE}", tag("meta", {"name": "robots", "content": "noindex"}), body, facing="tells")


def _document(title: str, head: Html, main: Html, *, facing: str) -> bytes:
    common = (
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", {"name": "color-scheme", "content": "light dark"}),
        tag("meta", {"name": "theme-color", "content": "#f6f7f7", "media": "(prefers-color-scheme: light)"}),
        tag("meta", {"name": "theme-color", "content": "#121415", "media": "(prefers-color-scheme: dark)"}),
        tag("title", None, title),
        tag("link", {"rel": "icon", "href": "/assets/icon.svg", "type": "image/svg+xml"}),
        tag("link", {"rel": "stylesheet", "href": "/assets/page.css"}),
        tag("link", {"rel": "stylesheet", "href": "/assets/share.css"}),
    )
    icon = tag("img", {"src": "/assets/icon.svg", "alt": "", "width": 28, "height": 28})
    bar = tag("header", {"class": "bar"}, tag("a", {"class": "brand", "href": "/"}, icon, SITE))
    body = tag("body", {"class": f"share {facing}"}, bar, main)
    return f"<!doctype html>\n{tag('html', {'lang': 'en'}, tag('head', None, *common, head), body)}\n".encode()


def _described(shared: SharedImage) -> list[Html]:
    """Return what the head says to search engines."""
    described = [tag("link", {"rel": "canonical", "href": shared.page_url})]
    if shared.image.alt:
        described.append(tag("meta", {"name": "description", "content": shared.image.alt[:MOST_DESCRIPTION]}))
    if shared.image.visibility is not Visibility.PUBLIC:
        described.append(tag("meta", {"name": "robots", "content": "noindex"}))
    return described


def _previewed(shared: SharedImage) -> list[Html]:
    """Return what the head says to programs that show a link as a card (ogp.me, Twitter cards, oembed.com §4)."""
    image, shown = shared.image, shared.shown
    alt = (image.alt or shared.name)[:MOST_DESCRIPTION]
    address = f"{shared.base_url}{shown.path}"
    graph: dict[str, str | int] = {
        "og:site_name": SITE,
        "og:type": "website",
        "og:title": shared.name,
        **({"og:description": alt} if image.alt else {}),
        "og:url": shared.page_url,
        "og:image": address,
        **({"og:image:secure_url": address} if urlsplit(address).scheme == "https" else {}),
        "og:image:type": shown.media_type,
        "og:image:width": shown.width,
        "og:image:height": shown.height,
        "og:image:alt": alt,
    }
    card = {
        "twitter:card": "summary_large_image",
        "twitter:title": shared.name,
        **({"twitter:description": alt} if image.alt else {}),
        "twitter:image": address,
        "twitter:image:alt": alt,
    }
    properties = [tag("meta", {"property": key, "content": value}) for key, value in graph.items()]
    names = [tag("meta", {"name": key, "content": value}) for key, value in card.items()]
    discovery = [_discovered(shared, fmt, media_type) for fmt, media_type in _OEMBED.items()]
    return [*properties, *names, *discovery]


def _discovered(shared: SharedImage, fmt: str, media_type: str) -> Html:
    address = f"{shared.base_url}/oembed?url={quote(shared.page_url, safe='')}&format={fmt}"
    return tag("link", {"rel": "alternate", "type": media_type, "href": address, "title": shared.name})


def _picture(shared: SharedImage) -> Html:
    image, shown = shared.image, shared.shown
    picture = tag(
        "img",
        {
            "src": shared.here(shown),
            "width": shown.width,
            "height": shown.height,
            "alt": image.alt or image.title or "A picture without a description",
            "fetchpriority": "high",
        },
    )
    opened = {
        "class": "opener",
        "href": shared.here(shared.original),
        "aria-label": f"{shared.name}: open the original",
    }
    titled = {"dir": "auto"} if image.title else {"class": "unseen"}
    return tag(
        "main",
        None,
        tag("figure", None, tag("a", opened, picture), _caption(shared, tag("h1", titled, shared.name))),
    )


def _caption(shared: SharedImage, heading: Html) -> Html:
    image = shared.image
    download = {
        "class": "action",
        "href": shared.here(shared.original),
        "download": f"{image.ref}.{image.format.extension}",
    }
    tags = [tag("li", {"dir": "auto"}, each) for each in image.tags]
    return tag(
        "figcaption",
        None,
        heading,
        _facts(shared),
        tag("p", {"class": "remark"}, _note(image)) if _note(image) else "",
        tag("ul", {"class": "tags", "aria-label": "Tags"}, *tags) if tags else "",
        tag("p", {"class": "actions"}, tag("a", download, f"Download the original ({file_size(image.size)})")),
        _embedding(shared) if shared.by_link else "",
    )


def _facts(shared: SharedImage) -> Html:
    image = shared.image
    day = image.created_at.astimezone(UTC)
    facts: list[str] = [
        f"{image.width} × {image.height}",
        "WebP" if image.format == "webp" else image.format.upper(),
        tag("time", {"datetime": day.date().isoformat()}, _day(day)),
    ]
    if image.frames > 1:
        facts.append(f"{image.frames} frames")
    if shared.views:
        facts.append(f"{shared.views:,} view{'' if shared.views == 1 else 's'}")
    return tag("ul", {"class": "about", "aria-label": "About this picture"}, *(tag("li", None, fact) for fact in facts))


def _note(image: Image) -> str:
    if image.state is State.PROCESSING:
        return "This picture has just arrived; its smaller sizes are being made."
    return "Smaller sizes of this picture could not be made." if image.state is State.FAILED else ""


def _embedding(shared: SharedImage) -> Html:
    """Return the texts to copy; they stand in fields, for a page without a script cannot copy."""
    direct = f"{shared.base_url}{shared.original.path}"
    shown: dict[str, str | int] = {
        "src": f"{shared.base_url}{shared.shown.path}",
        "alt": shared.image.alt or "",
        "width": shared.shown.width,
        "height": shared.shown.height,
    }
    markup = tag("a", {"href": shared.page_url}, tag("img", shown))
    texts = {"Link to this page": shared.page_url, "Link to the picture": direct, "HTML": str(markup)}
    fields = [tag("label", None, name, tag("input", {"readonly": "", "value": text})) for name, text in texts.items()]
    return tag("details", None, tag("summary", None, "Share or embed"), *fields)


def file_size(count: int) -> str:
    """Return a number of bytes in the decimal units that people know."""
    if count < 1_000:
        return f"{count} bytes"
    if count < 1_000_000:
        return f"{count / 1_000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB".replace(".0 ", " ")


def _day(day: datetime) -> str:
    return f"{day.day} {day:%B %Y}"
