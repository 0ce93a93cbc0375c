"""HTTP by httpx, as both drivers use it: what a connection may take, and what counts as one that broke."""

import os
import ssl
from collections.abc import Iterator
from typing import Final

import httpx

from tintype_client.core.effects import Broken, Response
from tintype_client.errors import ConnectionFailed

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 60.0
"""Between two bytes of an answer: a server that writes a large file down and looks at it takes its time."""

WRITE_SECONDS: Final = 60.0
"""For a chunk to leave: phones on the underground stall for half a minute and go on."""

TIMEOUT: Final = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, write=WRITE_SECONDS, pool=None)

LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=20.0)


def plain(answer: httpx.Response) -> Response:
    """Return the answer as flows know it; its body was read."""
    return Response(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content)


def broken(error: httpx.TransportError) -> Broken | ConnectionFailed:
    """Return what the failure is to a flow: one that may pass, or one that another attempt cannot mend."""
    sentence = _sentence(error)
    if isinstance(error, httpx.UnsupportedProtocol) or any(
        isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)
    ):
        return ConnectionFailed(sentence)
    return Broken(sentence)


def _sentence(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    said = (_said(cause) for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror)
    return next(said, str(error) or type(error).__name__)


def _said(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:  # of asyncio the text is about its own calls
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
