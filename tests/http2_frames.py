"""HTTP/2 frame by frame (RFC 9113), with headers spelt out literally (RFC 7541): what no client library would send."""

import struct
from collections.abc import Iterator
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 3, 4, 7, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, stream: int, payload: bytes = b"", *, flags: int = 0) -> bytes:
    """Return a frame: length, type, flags, stream, payload."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header(name: bytes, value: bytes) -> bytes:
    """Return a header that is never indexed (RFC 7541 §6.2.3); both parts are shorter than 127 bytes."""
    return b"\x10" + bytes((len(name),)) + name + bytes((len(value),)) + value


def request_headers(path: bytes, method: bytes = b"GET") -> bytes:
    """Return the headers of a request to a host."""
    pseudo = {b":method": method, b":path": path, b":scheme": b"http", b":authority": b"localhost"}
    return b"".join(header(name, value) for name, value in pseudo.items())


def frames_in(received: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, stream and payload of every whole frame."""
    at = 0
    while at + 9 <= len(received):
        length = int.from_bytes(received[at : at + 3], "big")
        yield received[at + 3], int.from_bytes(received[at + 5 : at + 9], "big"), received[at + 9 : at + 9 + length]
        at += 9 + length
