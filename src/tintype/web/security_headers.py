"""Headers that tell browsers what not to do with an answer; on every one of them, whoever made it.

A handler that says something else itself is believed: pages have policies of their own, images may be embedded
anywhere.
"""

from datetime import timedelta
from typing import Final

from tintype.web.errors import RawHeaders

API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
"""For JSON and texts: should a browser take one for a page, it loads nothing, runs nothing and is framed by nobody."""

_FEATURES: Final = (
    *("accelerometer", "camera", "display-capture", "fullscreen", "geolocation", "gyroscope", "microphone", "midi"),
    *("payment", "usb", "xr-spatial-tracking"),
)
NO_FEATURES: Final = ", ".join(f"{feature}=()" for feature in _FEATURES).encode()
"""Our pages show pictures and send files; whatever a script that should not be there asks a browser for is refused."""

_ALWAYS: Final[RawHeaders] = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", API_POLICY),
    (b"referrer-policy", b"no-referrer"),  # an address may hold a token
    (b"cross-origin-resource-policy", b"same-origin"),
]
_OF_PAGES: Final[RawHeaders] = [
    (b"permissions-policy", NO_FEATURES),
    (b"cross-origin-opener-policy", b"same-origin"),
]
"""For documents alone: elsewhere browsers do not look at them."""


class SecurityHeaders:
    """Adds to an answer what it lacks."""

    def __init__(self, *, hsts: timedelta | None) -> None:
        """`hsts` is how long browsers are to insist on https (RFC 6797); None says nothing of that."""
        seconds = int(hsts.total_seconds()) if hsts else 0
        self._transport: RawHeaders = [(b"strict-transport-security", f"max-age={seconds}".encode())] if seconds else []
        self._always = [*self._transport, *_ALWAYS]

    def complete(self, status: int, headers: RawHeaders) -> RawHeaders:
        """Return the headers with what they lack.

        A 304 gets nothing about its content: caches replace what they keep by what it says (RFC 9111 §4.3.4), and have
        the policies of the page itself.
        """
        if status == 304:
            return [*headers, *self._transport]
        given = {name.lower(): value for name, value in headers}
        added = [header for header in self._always if header[0] not in given]
        if given.get(b"content-type", b"").startswith(b"text/html"):
            added += [header for header in _OF_PAGES if header[0] not in given]
        return [*headers, *added]
