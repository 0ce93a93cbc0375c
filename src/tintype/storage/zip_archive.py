"""A zip written from its beginning to its end into a staged file, in the memory of one chunk and of its directory.

Entries are stored as they are, for pictures are packed already. Sizes follow the bytes (APPNOTE 4.3.9) and are of 64
bits, so that neither has to be known before.
"""

import io
import zipfile
from collections.abc import AsyncIterable
from datetime import UTC, datetime
from typing import Any

from tintype.ports.staging import StagedBytes


class _Outlet(io.RawIOBase):
    """Collects what the archive writes until somebody takes it. It cannot seek, so nothing is written twice."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 -- any buffer of bytes
        """Keep a copy."""
        self._written.append(bytes(data))
        return len(self._written[-1])

    def take(self) -> bytes:
        """Return what was written since."""
        taken, self._written = b"".join(self._written), []
        return taken


class ZipArchive:
    """An archive under way."""

    def __init__(self, staged: StagedBytes) -> None:
        self._staged = staged
        self._outlet = _Outlet()
        self._zip = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_STORED)

    async def add(self, name: str, chunks: AsyncIterable[bytes], *, at: datetime) -> None:
        """Add a file."""
        info = zipfile.ZipInfo(name, at.astimezone(UTC).timetuple()[:6])
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as entry:
            async for chunk in chunks:
                entry.write(chunk)
                await self._pass_on()
        await self._pass_on()

    async def close(self) -> None:
        """Write the directory: the archive is whole."""
        self._zip.close()
        await self._pass_on()

    async def _pass_on(self) -> None:
        await self._staged.write(self._outlet.take())
