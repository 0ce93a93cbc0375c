"""What of a request's head decides before any handler: its id, and whether two servers could read it in two ways.

The server below frames messages strictly (two lengths, a length beside chunks, folded lines are refused) and lets two
things through that matter here. The host names the tenant and stands in the addresses that we answer with, so there is
exactly one, and it is a host. A coding of the whole message that nobody undoes would be taken for the message.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tintype.domain.errors import Code, Problem

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HOST: Final = re.compile(rb"[A-Za-z0-9._:\[\]-]{0,300}")
"""Names, addresses and a port (RFC 9110 §7.2): what could end a URL, a tag or a line early is in no host's name."""


_WITHOUT_HOST: Final = frozenset({"1", "1.0"})
"""Versions of HTTP, as servers spell them, in which a probe may leave it out."""


class RequestHead(NamedTuple):
    """`request_id` is the client's when it is a fit one, else ours."""

    request_id: str
    fault: Problem | None
    """Why the request is not answered."""


def read_head(scope: Mapping[str, Any]) -> RequestHead:
    """Return what the headers of an ASGI request say."""
    request_id, hosts, fault = "", 0, None
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += bool(value)  # without one, the server below writes an empty one
            if not _HOST.fullmatch(value):
                fault = _unreadable("Host is not the name of a host.")
        elif name == b"x-request-id":
            if _REQUEST_ID.fullmatch(value):
                request_id = str(value, "ascii")
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":  # RFC 9112 §6.1
            fault = _unreadable("Of transfer codings only chunked is understood.")
    if hosts > 1 or (not hosts and scope["http_version"] not in _WITHOUT_HOST):  # RFC 9112 §3.2
        fault = _unreadable("A request has one Host.")
    return RequestHead(request_id or secrets.token_hex(8), fault)


def _unreadable(detail: str) -> Problem:
    return Problem(Code.REQUEST_UNREADABLE, detail)
