"""Where the bytes of an upload go: to the store itself, or, where that has no addresses, to signed ones of the API."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from math import floor
from typing import Final, Protocol

from tintype.db.clock import DatabaseClock
from tintype.domain.digest import Algorithm, format_digest_field
from tintype.domain.errors import Code, Problem
from tintype.domain.keys import staged_object_key
from tintype.domain.parts import check_number, length_of
from tintype.domain.tokens import Purpose, derive_token
from tintype.domain.tus.protocol import VERSION
from tintype.domain.upload import Method, Upload, expired
from tintype.domain.upload_link import Bound, UploadSignature, upload_link
from tintype.ports.direct_uploads import MAX_LIFETIME, DirectUploads
from tintype.storage.direct_staging import UNKNOWN_TYPE
from tintype.web.upload_json import UploadPartJson, UploadTargetJson

PREFIX: Final = "/api/v1/uploads"
RESUMABLE_PREFIX: Final = "/api/v1/tus"


class UploadTargets(Protocol):
    """Says where the bytes of uploads go."""

    def whole(self, upload: Upload, base_url: str) -> UploadTargetJson:
        """Return where the whole file goes, and the headers that are sent with it exactly."""
        ...

    def parts(self, upload: Upload, numbers: Iterable[int], base_url: str) -> list[UploadPartJson]:
        """Return where these parts go; `Problem` upload.parts_invalid for one that there is not."""
        ...


class StoreLinks:
    """Addresses of a remote store that signs for itself: the bytes never come by us."""

    def __init__(self, direct: DirectUploads, clock: DatabaseClock) -> None:
        self._direct = direct
        self._clock = clock

    def whole(self, upload: Upload, base_url: str) -> UploadTargetJson:
        """Return where the whole file goes; see `UploadTargets.whole`."""
        del base_url
        signed = self._direct.put(
            staged_object_key(upload.tenant, upload.id),
            size=whole_of(upload).length,
            content_type=upload.content_type or UNKNOWN_TYPE,
            sha256=upload.sha256,
            lifetime=self._lifetime(upload),
        )
        return UploadTargetJson(signed.url, signed.method, dict(signed.headers))

    def parts(self, upload: Upload, numbers: Iterable[int], base_url: str) -> list[UploadPartJson]:
        """Return where these parts go; see `UploadTargets.parts`."""
        del base_url
        return [self._part(upload, number) for number in numbers]

    def _part(self, upload: Upload, number: int) -> UploadPartJson:
        length = part_of(upload, number).length
        signed = self._direct.part(
            staged_object_key(upload.tenant, upload.id),
            upload.store_upload or "",
            number,
            size=length,
            sha256=None,
            lifetime=self._lifetime(upload),
        )
        return UploadPartJson(number=number, size=length, url=signed.url)

    def _lifetime(self, upload: Upload) -> timedelta:
        left = upload.expires_at - self._clock.now()
        return min(max(left, timedelta(seconds=1)), MAX_LIFETIME)


class UploadLinks:
    """Makes and checks addresses of the API that take the bytes of uploads."""

    def __init__(self, server_key: bytes) -> None:
        self._server_key = server_key

    def whole(self, upload: Upload, base_url: str) -> UploadTargetJson:
        """Return where the whole file goes, with the headers that its address is bound to."""
        headers = {"Content-Type": upload.content_type} if upload.content_type else {}
        if upload.sha256 is not None:
            headers["Content-Digest"] = format_digest_field({Algorithm.SHA_256: upload.sha256})
        return UploadTargetJson(self._address(upload, whole_of(upload), base_url), "PUT", headers)

    def parts(self, upload: Upload, numbers: Iterable[int], base_url: str) -> list[UploadPartJson]:
        """Return where these parts go; `Problem` upload.parts_invalid for one that there is not."""
        bounds = [(number, part_of(upload, number)) for number in numbers]
        return [
            UploadPartJson(number=number, size=bound.length, url=self._address(upload, bound, base_url))
            for number, bound in bounds
        ]

    def resumable(self, upload: Upload, base_url: str) -> UploadTargetJson:
        """Return where the bytes of an upload go by tus: to an address that derives from the upload's id."""
        token = derive_token(self._server_key, Purpose.RESUME, upload.id)
        return UploadTargetJson(f"{base_url}{RESUMABLE_PREFIX}/{token.reveal()}", "PATCH", {"Tus-Resumable": VERSION})

    def check(self, bound: Bound, query: Mapping[str, str], headers: Mapping[str, str], *, now: float) -> None:
        """Raise `Problem` unless the request shows an address of ours for exactly this: its path, length and type.

        upload.link_invalid, or upload.expired for one that was valid until `now` (seconds since 1970).
        """
        signature = UploadSignature.parse(query.get("exp"), query.get("sig"))
        if signature is None or not signature.opens(self._server_key, bound):
            raise link_invalid(NOT_OURS)
        if signature.expires <= now:
            raise expired()
        length = headers.get("content-length")
        if length is not None and length != str(bound.length):
            raise link_invalid(f"It is for a body of {bound.length:,} bytes.")
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if bound.content_type is not None and media_type != bound.content_type:
            raise link_invalid(f"It is for Content-Type: {bound.content_type}.")

    def _address(self, upload: Upload, bound: Bound, base_url: str) -> str:
        return base_url + upload_link(self._server_key, bound, floor(upload.expires_at.timestamp()))


def whole_of(upload: Upload) -> Bound:
    """Return what an address of the whole file is bound to; `Problem` for an upload that comes otherwise."""
    if upload.method is not Method.PUT or upload.size is None:
        raise Problem(Code.CONFLICT, f"This upload comes by {upload.method}, not in one PUT.")
    return Bound(f"{PREFIX}/{upload.public_id}/content", upload.size, upload.content_type, upload.sha256)


def part_of(upload: Upload, number: int) -> Bound:
    """Return what an address of a part is bound to; `Problem` when the upload has no such part."""
    if upload.method is not Method.MULTIPART or upload.size is None or upload.part_size is None:
        raise Problem(Code.CONFLICT, f"This upload comes by {upload.method}, not in parts.")
    check_number(number, upload.size, upload.part_size)
    length = length_of(number, upload.size, upload.part_size)
    return Bound(f"{PREFIX}/{upload.public_id}/parts/{number}", length)


NOT_OURS: Final = "It is not one that this server made, or it was changed."
"""Said of what was signed otherwise and of an upload that there is not: ids can be guessed."""


def link_invalid(why: str) -> Problem:
    """Return the refusal of an address; `why` is a sentence."""
    return Problem(
        Code.UPLOAD_LINK_INVALID,
        f"This upload link cannot be used like this. {why} Ask for a new one where you got it.",
    )
