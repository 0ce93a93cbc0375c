"""Turning stored bytes into variants, somewhere a hostile file can do no harm."""

from dataclasses import dataclass
from typing import BinaryIO, Protocol

from tintype.domain.format import Format
from tintype.domain.transform import Output


class CannotDecode(Exception):
    """The file cannot be decoded safely: damaged, too costly, or its decoder crashed or was killed. Do not retry."""


class SourceDamaged(Exception):
    """The bytes do not have the SHA-256 they were stored under: bit rot, not a bad upload. Nothing was decoded."""


class RendererBusy(Exception):
    """Every slot is taken and the queue is full; try again shortly."""


class RendererFailed(Exception):
    """The renderer itself failed (it could not start, it was stopped); try again."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """Which files to make from the source whose SHA-256 (hexadecimal) and format are given.

    `describe` asks for the placeholder and the dominant colour as well.
    """

    sha256: str
    format: Format
    outputs: tuple[Output, ...]
    describe: bool = False


@dataclass(frozen=True, slots=True)
class RenderedVariant:
    """An encoded file: size in pixels and the bytes."""

    output: Output
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Description:
    """What a page shows before the picture: base64 thumbhash and `#rrggbb`."""

    thumbhash: str
    dominant_color: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was made, in the order asked for. `decode_seconds` is wall time in the decoder."""

    variants: tuple[RenderedVariant, ...]
    description: Description | None
    decode_seconds: float


class Renderer(Protocol):
    """Renders in bounded memory and time; the source decodes once however many outputs are asked for."""

    async def render(self, request: RenderRequest, source: BinaryIO) -> Rendered:
        """Return the variants of `source`. Raises the exceptions of this module and nothing else."""
        ...

    async def close(self) -> None:
        """End every process that belongs to the renderer."""
        ...
