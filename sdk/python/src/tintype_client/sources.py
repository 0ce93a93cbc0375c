"""What may be uploaded: a path, bytes, or an open file; each read at any place, by several threads at once."""

import hashlib
import io
import mimetypes
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Final, Protocol

from tintype_client.core.effects import CHUNK_BYTES, Source
from tintype_client.errors import SourceChanged

SPOOLED_BYTES: Final = 8 * 1024 * 1024
"""Of a stream that cannot be read twice, such as a pipe: more than that waits in a file instead of memory."""

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
)
_ANY_TYPE: Final = "application/octet-stream"

Uploadable = str | PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path, bytes, or a file that is open for reading bytes; it is read from where it stands."""


class _Readable(Protocol):
    def read(self, offset: int, length: int, /) -> bytes: ...


class FileSource:
    """A file on the disk, or one that was opened by somebody else."""

    def __init__(self, opened: IO[bytes], *, name: str | None, path: Path | None = None) -> None:
        """The file is read from where it stands to its end; `path` if it can be found again after a restart."""
        self.name = name
        self._file = opened
        self._lock = threading.Lock()  # a position is shared: whoever seeks must be the one who reads
        self._start = opened.tell()
        self.size = opened.seek(0, io.SEEK_END) - self._start
        self._state = _state(opened)
        self.identity = f"{path.resolve()}:{self._state}" if path else None
        self.content_type = _media_type(self, name)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from there on; `SourceChanged` when the file is not what it was."""
        with self._lock:
            self._file.seek(self._start + offset)
            data = self._file.read(min(length, self.size - offset))
        if not data or _state(self._file) != self._state:
            raise SourceChanged(f"{self.name or 'The file'} changed while it was sent. Upload it again.")
        return data


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes | bytearray | memoryview, *, name: str | None) -> None:
        self.name = name
        self._data = memoryview(bytes(data))
        self.size = len(self._data)
        self.content_type = _media_type(self, name)

    @property
    def identity(self) -> str:
        """The digest: the same bytes are the same file."""
        return hashlib.sha256(self._data).hexdigest()

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from there on."""
        return bytes(self._data[offset : offset + length])


@contextmanager
def opened(file: Uploadable, *, name: str | None = None, content_type: str | None = None) -> Iterator[Source]:
    """Give the source; what was opened here is closed at the end of the block. `name` and `content_type` overrule."""
    with _opened(file, name) as source:
        if content_type:
            source.content_type = content_type
        yield source


@contextmanager
def _opened(file: Uploadable, name: str | None) -> Iterator[FileSource | BytesSource]:
    if isinstance(file, bytes | bytearray | memoryview):
        yield BytesSource(file, name=name)
    elif isinstance(file, str | PathLike):
        path = Path(file)
        with path.open("rb") as stream:
            yield FileSource(stream, name=name or path.name, path=path)
    elif file.seekable():
        yield FileSource(file, name=name or _name_of(file))
    else:
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as spooled:
            while chunk := file.read(CHUNK_BYTES):
                spooled.write(chunk)
            spooled.seek(0)
            yield FileSource(spooled, name=name or _name_of(file))


def _name_of(file: IO[bytes]) -> str | None:
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) and not name.startswith("<") else None


def _state(file: IO[bytes]) -> tuple[int, int] | None:
    """Return what changes when somebody writes to the file: size and time (ns); None for a file in memory."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, AttributeError, ValueError):  # io.UnsupportedOperation is both of these
        return None
    return status.st_size, status.st_mtime_ns


def _media_type(source: _Readable, name: str | None) -> str:
    beginning = source.read(0, 16) if getattr(source, "size", 0) else b""
    for signature, media_type in _SIGNATURES:
        if beginning.startswith(signature):
            return media_type
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "image/webp"
    return (mimetypes.guess_type(name)[0] if name else None) or _ANY_TYPE
