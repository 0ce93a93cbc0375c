"""What can go wrong, as exceptions. The server's stable `code` decides which one an answer becomes.

TintypeError
├── ConnectionFailed          no answer, although it was tried again
├── ApiError                  the server said no: `status`, `code`, `detail`, `errors`, `request_id`
│   ├── AuthenticationError, PermissionDenied, QuotaExceeded, RateLimited, Unavailable, StorageFull
│   ├── NotFound, Gone, Conflict, PreconditionFailed, IdempotencyMismatch, InvalidRequest
│   ├── ImageTooLarge, UnsupportedFormat, ImageMalformed
│   └── ChecksumMismatch, UploadExpired, SourceFailed
├── ImageRejected             taken in, then found to be no image that can be shown: `image`, `reason`
├── NotReady                  not processed in the time that you would wait: `image`
├── SourceChanged             the file changed while it was sent
└── WebhookInvalid            not signed by who has the secret, or too old
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from tintype_client.models import Image


class TintypeError(Exception):
    """Whatever this package raises."""


class ConnectionFailed(TintypeError):
    """The server could not be reached, or did not answer to the end, however often it was tried."""


class SourceChanged(TintypeError):
    """The file became shorter, or other, while it was sent."""


class WebhookInvalid(TintypeError):
    """The webhook was not signed with a secret that you gave, or is too old to be believed."""


class FieldError(NamedTuple):
    """One bad field of a request, and what is wrong with it."""

    field: str
    message: str


class ApiError(TintypeError):
    """The server refused. `code` is stable (`image.too_large`); `detail` is a sentence for people."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`retry_after`: in so many seconds it may succeed."""
        named = " ".join(f"{error.field}: {error.message}" for error in errors)
        super().__init__(f"{named or detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retry_after = retry_after


class AuthenticationError(ApiError):
    """No credential, or one that is not valid (401)."""


class PermissionDenied(ApiError):
    """The credential does not allow this (403)."""


class QuotaExceeded(ApiError):
    """The account or the site has used up what it may keep."""


class RateLimited(ApiError):
    """Too many requests, and the wait that the server asks for is longer than you allowed."""


class Unavailable(ApiError):
    """The server, or something behind it, cannot answer right now (5xx)."""


class StorageFull(ApiError):
    """The server's disk is full (507)."""


class NotFound(ApiError):
    """There is no such thing, or it is not for you to see."""


class Gone(ApiError):
    """The image was deleted for good."""


class Conflict(ApiError):
    """The thing is not in a state for this (409)."""


class PreconditionFailed(ApiError):
    """The image has changed since the version that you named (412)."""


class IdempotencyMismatch(Conflict):
    """The `idempotency_key` was used for another request."""


class InvalidRequest(ApiError):
    """A field or parameter is wrong; `errors` names each."""


class ImageTooLarge(ApiError):
    """The file has more bytes than its kind allows."""


class UnsupportedFormat(ApiError):
    """The file is in no format that its kind allows."""


class ImageMalformed(ApiError):
    """The file is damaged, or has more pixels or frames than its kind allows."""


class ChecksumMismatch(ApiError):
    """What arrived is not what was sent, however often it was tried; nothing of it was kept."""


class UploadExpired(ApiError):
    """The upload took longer than the server waits for one, or was aborted. Begin again."""


class SourceFailed(ApiError):
    """The URL that was to be fetched gave no file: it cannot be reached, refused, or was too slow."""


class ImageRejected(TintypeError):
    """The bytes arrived, and turned out to be no image that can be shown; `reason` is a code as of `ApiError`."""

    def __init__(self, image: "Image") -> None:
        """The image is there to be looked at, and deleted."""
        self.image = image
        self.reason = image.state_reason or image.state
        super().__init__(f"{image.id} is {image.state}: {self.reason}")


class NotReady(TintypeError):
    """The image is safe, but its sizes were not there in time; `client.wait(image)` goes on waiting."""

    def __init__(self, image: "Image", seconds: float) -> None:
        """`seconds` is how long it was waited for."""
        self.image = image
        super().__init__(f"{image.id} is still {image.state} after {seconds:.0f} s. Wait on with client.wait().")


BY_CODE: Final[Mapping[str, type[ApiError]]] = {
    "image.too_large": ImageTooLarge,
    "image.unsupported_format": UnsupportedFormat,
    "image.malformed": ImageMalformed,
    "image.too_many_pixels": ImageMalformed,
    "image.too_many_frames": ImageMalformed,
    "image.gone": Gone,
    "upload.checksum_mismatch": ChecksumMismatch,
    "upload.expired": UploadExpired,
    "upload.aborted": UploadExpired,
    "storage.BadDigest": ChecksumMismatch,
    "upload.empty": InvalidRequest,
    "idempotency.mismatch": IdempotencyMismatch,
    "quota.exceeded": QuotaExceeded,
    "rate_limited": RateLimited,
    "storage.full": StorageFull,
    "source.unreachable": SourceFailed,
    "source.refused": SourceFailed,
    "source.too_slow": SourceFailed,
    "source.incomplete": SourceFailed,
}
"""What a code becomes where the status alone says too little."""

BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    400: InvalidRequest,
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: PreconditionFailed,
    413: ImageTooLarge,
    415: UnsupportedFormat,
    422: InvalidRequest,
    429: RateLimited,
    460: ChecksumMismatch,  # of tus
    507: StorageFull,
}


def api_error(status: int, problem: Mapping[str, Any], *, retry_after: float | None = None) -> ApiError:
    """Return the exception for an answer; `problem` is its JSON (RFC 9457), empty when it was none."""
    code = str(problem.get("code") or f"http.{status}")
    detail = str(problem.get("detail") or problem.get("title") or f"The server answered {status}.")
    fields = problem.get("errors")
    named = [FieldError(str(each.get("field")), str(each.get("message"))) for each in fields or [] if each]
    kind = BY_CODE.get(code) or BY_STATUS.get(status) or (Unavailable if status >= 500 else ApiError)
    return kind(status, code, detail, errors=named, request_id=problem.get("request_id"), retry_after=retry_after)
