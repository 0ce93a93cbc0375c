"""`Tintype`: the client that returns when it is done. It may be used by several threads at once."""

from collections.abc import Iterator
from os import PathLike
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx

from tintype_client.blocking import BlockingDriver
from tintype_client.core import images, staged
from tintype_client.core.arguments import READY_SECONDS, ImageOrId, seconds
from tintype_client.core.effects import Flow
from tintype_client.core.fields import Fields
from tintype_client.core.images import Changes, Filters, ReplaceOptions
from tintype_client.core.options import SendOptions, UploadOptions, upload_by_link, upload_of
from tintype_client.core.retries import RetryPolicy
from tintype_client.core.staged import LinkOptions
from tintype_client.http import LIMITS, TIMEOUT
from tintype_client.models import Image, SignedUrl, UploadLink, Variant
from tintype_client.settings import api_of
from tintype_client.sources import Uploadable, opened
from tintype_client.state_files import StateFiles

T = TypeVar("T")


class Tintype:
    """A Tintype server, as seen by one API key, session token or nobody.

        with Tintype("https://images.example.org", "ttk_…") as client:
            image = client.upload("photo.jpg", title="Lisbon")

    Requests that fail in passing are tried again, as `retries` says; every method raises `TintypeError`s alone, beside
    `OSError` for files that cannot be read and `TypeError` and `ValueError` for arguments that make no sense.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        retries: RetryPolicy | None = None,
        state_dir: str | PathLike[str] | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """Without arguments the environment says where and who: TINTYPE_URL, TINTYPE_API_KEY; an empty key is nobody.

        `state_dir` is where uploads with `resume=True` are kept; `http` sends the requests (proxies, certificates).
        """
        self._api = api_of(url, api_key, retries or RetryPolicy())
        self._own = http is None
        self._http = http or httpx.Client(timeout=TIMEOUT, limits=LIMITS)
        self._driver = BlockingDriver(self._http, StateFiles(state_dir))

    def upload(self, file: Uploadable, **options: Unpack[UploadOptions]) -> Image:
        """Return the image that the file became, ready to be shown unless `wait` says otherwise.

        `file` is a path, bytes, or a file that is open for reading bytes; `UploadOptions` tells of each option.
        """
        with opened(file, name=options.get("filename"), content_type=options.get("content_type")) as source:
            return self._run(upload_of(self._api, source, options).run())

    def upload_to(self, link: UploadLink, file: Uploadable, **options: Unpack[SendOptions]) -> Image:
        """Return the image that the file became by a link that was reserved; goes on where an earlier attempt ended."""
        with opened(file, name=options.get("filename"), content_type=options.get("content_type")) as source:
            return self._run(upload_by_link(self._api, source, options).run_reserved(link))

    def from_url(
        self, url: str, *, wait: bool | float = True, idempotency_key: str | None = None, **fields: Unpack[Fields]
    ) -> Image:
        """Return the image that the server made of what it found at the URL."""
        return self._run(images.import_url(self._api, url, fields, key=idempotency_key, wait=wait))

    def create_upload(self, size: int, **options: Unpack[LinkOptions]) -> UploadLink:
        """Return a link that takes one file of `size` bytes: for a browser, or for somebody else's server."""
        return self._run(staged.reserve(self._api, size, options))

    def complete_upload(self, link: UploadLink, *, wait: bool | float = True) -> Image:
        """Return the image of an upload whose bytes somebody else has sent."""
        return self._run(staged.complete(self._api, link, limit=seconds(wait)))

    def abort_upload(self, link: UploadLink) -> None:
        """Give the upload up, with what was sent of it."""
        self._run(staged.abort(self._api, link))

    def get(self, image: ImageOrId, *, token: str | None = None) -> Image:
        """Return the image as it is now. `token` is the one of an anonymous upload, here and below."""
        return self._run(images.get(self._api, image, token))

    def wait(self, image: Image, *, timeout: float = READY_SECONDS) -> Image:
        """Return the image once every size is there; `ImageRejected`, or `NotReady` after `timeout` seconds."""
        return self._run(images.wait_for(self._api, image, timeout))

    def list(self, *, page_size: int = 100, **filters: Unpack[Filters]) -> Iterator[Image]:
        """Yield your images, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self._run(images.list_page(self._api, filters, cursor=cursor, limit=page_size))
            yield from page.images
            cursor = page.next
            if cursor is None:
                return

    def update(
        self, image: ImageOrId, *, token: str | None = None, if_match: str | None = None, **changes: Unpack[Changes]
    ) -> Image:
        """Return the image with the changes; with `if_match=image.etag` only if nobody else changed it since."""
        return self._run(images.update(self._api, image, changes, token=token, if_match=if_match))

    def replace(self, image: ImageOrId, file: Uploadable, **options: Unpack[ReplaceOptions]) -> Image:
        """Return the image with other bytes; addresses of the earlier version lead to the new one."""
        with opened(file) as source:
            return self._run(images.replace_content(self._api, image, source, options))

    def delete(
        self, image: ImageOrId, *, purge: bool = False, token: str | None = None, if_match: str | None = None
    ) -> None:
        """Put the image into the trash for a while; with `purge` delete it for good."""
        self._run(images.delete(self._api, image, purge=purge, token=token, if_match=if_match))

    def restore(self, image: ImageOrId, *, token: str | None = None) -> Image:
        """Return the image, out of the trash."""
        return self._run(images.restore(self._api, image, token))

    def variants(self, image: ImageOrId, *, token: str | None = None) -> tuple[Variant, ...]:
        """Return every size in every format, made or not."""
        return self._run(images.variants(self._api, image, token))

    def signed_url(
        self,
        image: ImageOrId,
        preset: str = "original",
        *,
        format: str | None = None,  # noqa: A002 -- the API's word
        expires_in: int = 3600,
        token: str | None = None,
    ) -> SignedUrl:
        """Return an address that opens one size to whoever has it, for `expires_in` seconds or a little longer."""
        wanted = images.SignedUrlWanted(preset, format, expires_in)
        return self._run(images.signed_url(self._api, image, wanted, token))

    def close(self) -> None:
        """Close the connections; those of an `http` that was given stay open."""
        if self._own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        return self._driver.run(flow)
