"""From a URL's words to bytes that can be sent: which variant, in which format, and whether it is there."""

import asyncio
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from tintype.db.backlog import Backlog
from tintype.db.variants import VariantRow
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.ids import BadId, ImageRef
from tintype.domain.image import Image, State
from tintype.domain.keys import original_key
from tintype.domain.signing import Signature
from tintype.domain.transform import Output, Preset, Variant
from tintype.domain.view import is_large
from tintype.ports.blobs import BlobMissing, BlobStore
from tintype.ports.renderer import RendererBusy
from tintype.reads.delivery import DeliveryRecord, DeliveryRecords
from tintype.usecases.make_variants import MakeVariants
from tintype.web.delivery_answer import Representation, StoredFile, represent
from tintype.web.negotiation import choose_format

MAKE_SECONDS: Final = 8.0
"""How long a request waits for a variant that is being made before it is told to come again (202)."""

SOON_SECONDS: Final = 1
"""When to come again for a variant that is being made."""

LATER_SECONDS: Final = 5
"""When to come again for one that has to wait behind uploads."""

MADE_FORMATS: Final = (Format.JPEG, Format.PNG, Format.WEBP)
"""What a preset may be asked for in, by extension."""

_PATH: Final = re.compile(r"/i/(img_[0-9A-Za-z]{22})/([a-z0-9][a-z0-9-]{0,31})(?:\.([a-z0-9]{1,5}))?")
_MAX_QUERY_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a delivery URL asks for."""

    ref: ImageRef
    name: str
    extension: str | None
    version: int | None
    token: str | None
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """There is nothing to send yet: come again in so many seconds (202)."""

    seconds: int


def parse_url(path: str, query: bytes) -> Wanted:
    """Return what the URL asks for; `Problem` not_found or request.unreadable."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise _no_image()
    try:
        ref = ImageRef.parse(match[1])
    except BadId as error:
        raise _no_image() from error
    fields = dict(parse_qsl(query[:_MAX_QUERY_BYTES].decode("latin-1")))
    version = fields.get("v")
    if version is not None and not re.fullmatch(r"[0-9]{1,9}", version):
        raise Problem(Code.REQUEST_UNREADABLE, "v is the number of a version, such as v=1.")
    signature = Signature.parse(fields.get("exp"), fields.get("sig"))
    return Wanted(ref, match[2], match[3], int(version) if version else None, fields.get("token"), signature)


def _no_image() -> Problem:
    return Problem(Code.NOT_FOUND, "There is no such image.")


class Representations:
    """Finds what a URL names, and has it made when it is missing."""

    def __init__(
        self,
        *,
        records: DeliveryRecords,
        make_variants: MakeVariants,
        blobs: BlobStore,
        backlog: Backlog,
    ) -> None:
        self._records = records
        self._make_variants = make_variants
        self._blobs = blobs
        self._backlog = backlog

    async def find(self, record: DeliveryRecord, wanted: Wanted, accept: str | None) -> Representation | Later:
        """Return what to send, or when to come again.

        `Problem` when there is no such thing, `BlobMissing` when the original was lost.
        """
        if record.image.pending:
            return _soon(record, wanted)
        if wanted.name == "original":
            return await self._original(record, wanted)
        image, preset = record.image, _preset(record, wanted.name)
        fmt = _format(image, wanted.extension, accept)
        variant = Variant(preset.name, Output(preset.transform, fmt))
        row = await self._there(record, variant) or await self._made(record, variant, eager=preset.eager)
        if isinstance(row, Later):
            return row
        key = row.key(tenant=image.tenant, sha256=image.sha256)
        etag = f'"{row.file_sha256.hex()[:32]}"'
        file = StoredFile(key, self._blobs.path(key), fmt, row.size, etag, preset.name)
        negotiated, versioned = wanted.extension is None, wanted.version is not None
        return represent(
            image, file, negotiated=negotiated, versioned=versioned, by_link=record.by_link, large=is_large(preset)
        )

    async def _original(self, record: DeliveryRecord, wanted: Wanted) -> Representation:
        image, versioned = record.image, wanted.version is not None
        if wanted.extension not in {None, image.format.extension}:
            raise Problem(
                Code.NOT_FOUND,
                f"The original is a {image.format.extension} file; ask for original.{image.format.extension}.",
            )
        key = original_key(image.tenant, image.sha256)
        if await self._blobs.head(key) is None:
            raise BlobMissing(key)
        etag = f'"{image.sha256.hex()[:32]}"'
        file = StoredFile(key, self._blobs.path(key), image.format, image.size, etag, "original")
        return represent(image, file, negotiated=False, versioned=versioned, by_link=record.by_link, large=True)

    async def _there(self, record: DeliveryRecord, variant: Variant) -> VariantRow | None:
        """Return the variant if its file is there: one that was lost is made again."""
        row = record.variants.get(variant.output.digest)
        if row is None:
            return None
        image = record.image
        key = row.key(tenant=image.tenant, sha256=image.sha256)
        return row if await self._blobs.head(key) is not None else None

    async def _made(self, record: DeliveryRecord, variant: Variant, *, eager: bool) -> VariantRow | Later:
        """Return the variant once the job, another process or this one has made it, or when to come again."""
        image = record.image
        promised = eager and image.state is State.PROCESSING  # a job makes it
        if promised:
            await self._records.wait_for_change(image.id)
        elif await self._backlog.is_overdue():
            await self._make_variants.later(image, variant)
            return Later(LATER_SECONDS)
        try:
            async with asyncio.timeout(MAKE_SECONDS):
                return await self._make_variants.on_demand(image, variant)
        except TimeoutError:
            return Later(SOON_SECONDS)
        except Problem as problem:
            if promised and isinstance(problem.__cause__, RendererBusy):
                return Later(LATER_SECONDS)
            raise
        finally:
            self._records.forget((image.id,))  # what is remembered lacks the variant


def _soon(record: DeliveryRecord, wanted: Wanted) -> Later:
    """Return when to come again for an image that nobody has examined yet; `Problem` for what it will never have."""
    if wanted.name != "original":
        _preset(record, wanted.name)
    return Later(SOON_SECONDS)


def _preset(record: DeliveryRecord, name: str) -> Preset:
    presets = record.presets
    for preset in presets:
        if preset.name == name:
            return preset
    names = ", ".join(preset.name for preset in presets)
    raise Problem(Code.NOT_FOUND, f"There is no preset {name!r}; this image has {names} and original.")


def _format(image: Image, extension: str | None, accept: str | None) -> Format:
    if extension is None:
        return choose_format(accept, image.recipe.outputs)
    fmt = Format.from_extension(extension)
    if fmt not in MADE_FORMATS:
        known = ", ".join(made.extension for made in MADE_FORMATS)
        raise Problem(Code.NOT_FOUND, f"There is no .{extension} of this image; ask for {known}.")
    return fmt
