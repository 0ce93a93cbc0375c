"""Building HTML without a template: text is escaped because it is text, and only `Html` is not."""

import re
from collections.abc import Mapping
from html import escape
from typing import Final

_EMPTY: Final = frozenset({"meta", "link", "img", "input", "br"})
"""Elements without content (WHATWG HTML §13.1.2, void elements)."""

_NO_TEXT: Final = re.compile("[^\\t\\n\\r\\x20-\\x7e\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What neither HTML nor XML 1.0 can hold: control characters."""


class Html(str):
    """Markup, which is not escaped again."""

    __slots__ = ()


def plain(text: str) -> str:
    """Return the text without what no document may hold."""
    return _NO_TEXT.sub("", text)


def tag(name: str, attributes: Mapping[str, str | int] | None = None, *children: str) -> Html:
    """Return the element; attributes are escaped, and so is every child that is not `Html`."""
    given = "".join(f' {key}="{escape(plain(str(value)))}"' for key, value in (attributes or {}).items())
    start = f"<{name}{given}>"
    return Html(start if name in _EMPTY else f"{start}{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Return the children one after the other, those that are text escaped."""
    return Html("".join(child if isinstance(child, Html) else escape(plain(child)) for child in children))
