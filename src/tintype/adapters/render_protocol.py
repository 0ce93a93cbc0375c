"""What a render pool and its processes say to each other: a length in four bytes, then msgpack.

The parent sends `Begin`, then one `RenderRequest` after the other, each with the source's descriptor (SCM_RIGHTS). The
child answers `Ready`, then each request with `Done` or `Refused`; `Failed` is its last word. The child is not trusted:
lengths are bounded and every message is decoded into its type.
"""

from typing import Final

import msgspec

from tintype.adapters.sandbox import SandboxLimits, SandboxReport
from tintype.ports.renderer import Rendered, RenderRequest

LENGTH_BYTES: Final = 4
OUT_OF_MEMORY: Final = 77
"""Exit status of a process that ran into its memory limit: it ends, because what it holds is in no known state."""


class Begin(msgspec.Struct, frozen=True):
    """How the child is to lock itself, and how far it stands back (`nice`) behind other processes."""

    limits: SandboxLimits
    nice: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The child is locked, and has rendered a picture since."""

    sandbox: SandboxReport
    libvips: str


class Done(msgspec.Struct, frozen=True, tag=True):
    """What the request asked for."""

    rendered: Rendered


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The source is at fault: it is not what was stored (`damaged`), or it cannot be decoded."""

    damaged: bool
    reason: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The child is at fault, and ends."""

    reason: str


Answer = Ready | Done | Refused | Failed

_answers: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)
_requests: Final = msgspec.msgpack.Decoder(RenderRequest)
_beginnings: Final = msgspec.msgpack.Decoder(Begin)


def frame(message: Begin | RenderRequest | Answer) -> bytes:
    """Return the message with its length before it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def answer(body: bytes | bytearray) -> Answer:
    """Return the child's message; `msgspec.MsgspecError` when it is none."""
    return _answers.decode(body)


def request(body: bytes | bytearray) -> RenderRequest:
    """Return the parent's request."""
    return _requests.decode(body)


def begin(body: bytes | bytearray) -> Begin:
    """Return the parent's first message."""
    return _beginnings.decode(body)
