"""A blob in a bucket as a file that is read in a thread: each read is a request, so it is put behind a buffer."""

import io
import os

import obstore
from obstore.store import ObjectStore

from tintype.adapters.remote_errors import told


class RemoteFile(io.RawIOBase):
    """The bytes of one blob of known size. Nothing of it is kept; `BlobStoreFailed` from any read."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "io.WriteableBuffer") -> int:  # type: ignore[name-defined]
        """Fill the buffer with what is next and return how much that is."""
        view = memoryview(buffer).cast("B")
        length = min(len(view), self._size - self._position)
        if length <= 0:
            return 0
        with told(self._key):
            content = obstore.get_range(self._store, self._key, start=self._position, length=length)
        view[: len(content)] = memoryview(content)
        self._position += len(content)
        return len(content)
