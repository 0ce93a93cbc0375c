"""An upload from its file to its image: choose a door, reserve, send, confirm, wait; and resume what was begun.

    direct      one request to the API has it all; the answer is the image
    put         POST /uploads, one PUT to storage, confirm
    multipart   POST /uploads, parts side by side, each tried again alone, confirm
    tus         POST /uploads, pieces one after the other from wherever the server says it is

What a restart needs is kept before it is needed: the key that makes a request repeatable before anything is sent, then
the upload with its token. The file is hashed before it is sent where the server is to check the digest, else meanwhile:
then the `source_sha256` of the image is held against it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from tintype_client.core.api import Api, file_headers, passes, segment, shown_image
from tintype_client.core.effects import Flow, Source, digest, keep, recall, together, whole
from tintype_client.core.fields import Fields, as_query
from tintype_client.core.progress import Meter
from tintype_client.core.records import Record, record_name
from tintype_client.core.staged import (
    Begun,
    LinkOptions,
    StagedMethod,
    abort,
    over,
    reserve,
    reserved_before,
    send_and_confirm,
)
from tintype_client.core.waiting import prefer_wait, until_ready
from tintype_client.errors import ApiError, ChecksumMismatch
from tintype_client.models import Image, Method, UploadLink

DIRECT_BYTES: Final = 8 * 1024 * 1024
"""Up to here one request is the quickest, and sending it all again the least trouble."""

PUT_BYTES: Final = 64 * 1024 * 1024
"""Up to here one PUT; what is larger goes in parts, of which a broken connection costs one."""

PARALLEL_PARTS: Final = 4
"""One connection rarely fills a line; more than a few gain nothing and crowd out everybody else's."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One upload as its caller wants it."""

    fields: Fields
    new_key: Callable[[], str]
    """Gives an Idempotency-Key that nobody used, or the caller's own."""
    method: Method | None = None
    """None lets the size decide."""
    wait_seconds: float = 0.0
    """How long to wait for the image to be ready; 0 does not."""
    parallel: int = PARALLEL_PARTS
    resumable: bool = False
    """Whether to keep what a restart needs, and to look for what an earlier run kept."""

    def method_for(self, size: int) -> Method:
        """Return how to send so many bytes."""
        if self.method is not None:
            return self.method
        if size <= DIRECT_BYTES:
            return "direct"
        return "put" if size <= PUT_BYTES else "multipart"


@dataclass(frozen=True)
class Upload:
    """One upload of one file."""

    api: Api
    source: Source
    wanted: Wanted
    meter: Meter

    def run(self) -> Flow[Image]:
        """Return the image that the file became."""
        name = record_name(self.api.url, self.source, self.wanted.fields) if self.wanted.resumable else None
        record, begun = yield from self._resume(name)
        try:
            image, sha256 = yield from self._taken_in(name, record, begun)
        except ApiError as error:
            if not passes(error):  # it would be refused again and again
                yield from _remember(name, None)
            raise
        yield from _remember(name, None)
        return (yield from self._finished(image, sha256, token=image.delete_token))

    def _finished(self, image: Image, sha256: bytes | None, *, token: str | None) -> Flow[Image]:
        """Return the image when it has been waited for, and found to be what was sent."""
        if self.wanted.wait_seconds:
            self.meter.processing()
            image = yield from until_ready(self.api, image, limit=self.wanted.wait_seconds, token=token)
        if sha256 and image.source_sha256 not in {None, sha256.hex()}:
            yield from self._refuse(image)
        self.meter.done()
        return image

    def run_reserved(self, link: UploadLink) -> Flow[Image]:
        """Return the image that the file became by a link that was reserved before, perhaps by somebody else."""
        begun = yield from reserved_before(self.api, link)
        if begun is None:
            raise over()
        image, sha256 = yield from self._sent(None, begun)
        return (yield from self._finished(image, sha256, token=link.write_token))

    def _resume(self, name: str | None) -> Flow[tuple[Record, Begun | None]]:
        """Return what an earlier run left, or the record of a new one."""
        record = Record.parse((yield from recall(name))) if name else None
        if record is None:
            return Record(self.wanted.new_key()), None
        if record.link is None:
            return record, None
        begun = yield from reserved_before(self.api, record.link)
        return (record if begun else Record(self.wanted.new_key())), begun

    def _taken_in(self, name: str | None, record: Record, begun: Begun | None) -> Flow[tuple[Image, bytes | None]]:
        """Return the image as it was acknowledged, and the file's SHA-256 if the server was not told to check it."""
        if begun is not None and not begun.address_may_be_over:
            return (yield from self._sent(name, begun))
        yield from _remember(name, record)
        method = "put" if begun else self.wanted.method_for(self.source.size)
        if method == "direct":
            return (yield from self._direct(record.key)), None
        checked = method == "put" or not self.wanted.wait_seconds  # nobody would look at the image's digest later
        sha256 = (yield from digest(whole(self.source))) if checked else None
        link = yield from reserve(self.api, self.source.size, self._link_options(method, record.key, sha256))
        yield from _remember(name, replace(record, link=link))
        return (yield from self._sent(name, Begun(link, link.state), checked=checked))

    def _link_options(self, method: StagedMethod, key: str, sha256: bytes | None) -> LinkOptions:
        options: LinkOptions = {
            **self.wanted.fields,
            "method": method,
            "filename": self.source.name,
            "content_type": self.source.content_type,
            "sha256": sha256.hex() if sha256 else None,
            "idempotency_key": key,
        }
        return options

    def _direct(self, key: str) -> Flow[Image]:
        sha256 = yield from digest(whole(self.source))
        headers = {
            **file_headers(self.source, sha256),
            **prefer_wait(self.wanted.wait_seconds),
            "idempotency-key": key,
        }
        body = replace(whole(self.source), sent=self.meter.part(0))
        query = as_query(self.wanted.fields)
        return shown_image((yield from self.api.call("POST", "/images", query=query, body=body, headers=headers)))

    def _sent(self, name: str | None, begun: Begun, *, checked: bool = False) -> Flow[tuple[Image, bytes | None]]:
        sending = send_and_confirm(self.api, self.source, begun, self.meter, self.wanted.parallel)
        try:
            if checked:
                image, sha256 = (yield from sending), None
            else:
                image, sha256 = yield from _beside(sending, digest(whole(self.source)))
        except Exception:
            if name is None:  # nobody comes back for it: let the server have its room again
                yield from abort(self.api, begun.link)
            raise
        delete_token = begun.link.write_token if self.api.api_key is None else None
        read_token = begun.link.read_token if image.visibility == "private" else None
        return replace(image, delete_token=delete_token, read_token=read_token), sha256

    def _refuse(self, image: Image) -> Flow[None]:
        """Delete what is not what was sent, and say so."""
        detail = "What the server has is not what was sent. It was deleted again; upload the file once more."
        yield from self.api.call(
            "DELETE", f"/images/{segment(image.id)}", query=[("purge", "true")], token=image.delete_token
        )
        raise ChecksumMismatch(422, "upload.checksum_mismatch", detail)


def _beside(sending: Flow[Image], hashing: Flow[bytes]) -> Flow[tuple[Image, bytes]]:
    results: list[Any] = yield from together([sending, hashing], at_once=2)
    image, sha256 = results
    return image, sha256


def _remember(name: str | None, record: Record | None) -> Flow[None]:
    if name is not None:
        yield from keep(name, record.text() if record else None)
