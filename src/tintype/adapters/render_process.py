"""A process that decodes: `python -m tintype.adapters.render_process <descriptor of its channel>`.

It locks itself before libvips does anything, then renders one picture after the other until the channel closes. It dies
with the process that started it. `adapters/render_child.py` is the other end.
"""

import gc
import hashlib
import logging
import os
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from tintype.adapters import render_protocol as protocol
from tintype.adapters import sandbox
from tintype.adapters.parent_death import die_with_parent
from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.imaging import codecs, libvips
from tintype.imaging.pipeline import render
from tintype.ports.renderer import CannotDecode, RenderRequest, SourceDamaged

_OOM_SCORE: Final = b"800"
"""-1000 to 1000: when the machine's memory runs out, the kernel takes a decoder first; its picture is tried again."""

_HASH_CHUNK: Final = 1 << 20
"""Bytes; read by position, so that the file is never mapped and libvips finds the descriptor at its start."""

_RECEIVE_BYTES: Final = 1 << 16
"""At a time; a request of ten outputs has about one kilobyte."""

_REHEARSAL: Final = bytes.fromhex("47494638376101000100800000ffffff0000002c00000000010001000002024401003b")
"""The smallest GIF: one pixel."""


def main() -> None:
    """Serve the channel that the first argument names."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    die_with_parent(os.getppid())  # who died before this closed the channel, which ends the process below
    if reason := codecs.why_not():
        _send(channel, protocol.Failed(reason))
        raise SystemExit(1)
    _be_the_first_to_go()
    # A hostile file can cause a warning per row; each would be formatted only to be thrown away.
    logging.disable(logging.CRITICAL)
    try:
        beginning = protocol.begin(_receive(channel)[0])
        _send(channel, _prepare(beginning))
        _serve(channel)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except MemoryError:
        os._exit(protocol.OUT_OF_MEMORY)
    except Exception as error:
        _send(channel, protocol.Failed(f"{type(error).__name__}: {error}"))
        raise SystemExit(1) from error


def _be_the_first_to_go() -> None:
    if sys.platform == "linux":
        Path("/proc/self/oom_score_adj").write_bytes(_OOM_SCORE)


def _be_nice(nice: int) -> None:
    """Give way to uploads. Where Linux groups processes by session (autogroup, sched(7)), nice counts within one alone.

    A renderer is a session of its own, so its session must be nice, too. The kernel takes that now and then only from
    an ordinary user (EAGAIN); renderers start seldom, and one that missed it is merely less polite.
    """
    os.nice(nice)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))


def _prepare(beginning: protocol.Begin) -> protocol.Ready:
    """Lock the process, then render a picture: libvips now has its threads, and the locks let it work."""
    _be_nice(beginning.nice)
    libvips.confine()
    with tempfile.TemporaryFile() as rehearsal:
        rehearsal.write(_REHEARSAL)
        rehearsal.flush()
        report = sandbox.lock(beginning.limits)
        outputs = tuple(Output(Transform(8, 8), fmt) for fmt in Format)
        render(RenderRequest("", Format.GIF, outputs, describe=True), rehearsal.fileno())
    return protocol.Ready(report, libvips.version())


def _serve(channel: socket.socket) -> None:
    while True:
        body, descriptors = _receive(channel)
        try:
            answer = _answer(protocol.request(body), descriptors[0])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        _send(channel, answer)
        del answer
        # A picture in a reference cycle would hold its file and its memory until some later picture.
        gc.collect(0)


def _answer(request: RenderRequest, descriptor: int) -> protocol.Done | protocol.Refused:
    try:
        _verify(descriptor, request.sha256)
        return protocol.Done(render(request, descriptor))
    except SourceDamaged as error:
        return protocol.Refused(damaged=True, reason=str(error))
    except CannotDecode as error:
        return protocol.Refused(damaged=False, reason=str(error))


def _verify(descriptor: int, sha256: str) -> None:
    """Raise `SourceDamaged` unless the file has that digest."""
    digest, offset = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, _HASH_CHUNK, offset):
        digest.update(chunk)
        offset += len(chunk)
    if digest.hexdigest() != sha256:
        raise SourceDamaged(f"stored as {sha256}, but its {offset} bytes have the digest {digest.hexdigest()}")


def _receive(channel: socket.socket) -> tuple[bytearray, list[int]]:
    """Return the next message and the descriptors that came with it; `EOFError` when the parent is gone."""
    received, descriptors = bytearray(), list[int]()
    while len(received) < protocol.LENGTH_BYTES or len(received) < _framed(received):
        data, attached, _, _ = socket.recv_fds(channel, _RECEIVE_BYTES, 1)
        if not data:
            raise EOFError
        received += data
        descriptors += attached
    return received[protocol.LENGTH_BYTES :], descriptors


def _framed(received: bytearray) -> int:
    return protocol.LENGTH_BYTES + int.from_bytes(received[: protocol.LENGTH_BYTES], "big")


def _send(channel: socket.socket, answer: protocol.Answer) -> None:
    data = memoryview(protocol.frame(answer))
    while data:
        # Not `sendall`: it would need `sendto`, which can send elsewhere.
        data = data[os.write(channel.fileno(), data) :]


if __name__ == "__main__":
    main()
