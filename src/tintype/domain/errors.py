"""What can go wrong, in words a client may see.

A `Problem` has a stable dotted code, a kind and a sentence that is safe to show: no path, no secret, no driver text.
`web/errors.py` alone turns a kind into an HTTP status; what happened inside goes to the log through `__cause__`.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Self

from tintype.domain.rate_limit import Standing


class Kind(Enum):
    """The sort of a problem; HTTP knows a status for each."""

    UNREADABLE = auto()
    UNAUTHENTICATED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    METHOD_NOT_ALLOWED = auto()
    TIMEOUT = auto()
    CONFLICT = auto()
    GONE = auto()
    PRECONDITION_FAILED = auto()
    CHECKSUM_MISMATCH = auto()
    TOO_LARGE = auto()
    UNSUPPORTED_FORMAT = auto()
    UNSATISFIABLE = auto()
    INVALID = auto()
    RATE_LIMITED = auto()
    UNAVAILABLE = auto()
    NOT_IMPLEMENTED = auto()
    STORAGE_FULL = auto()
    INTERNAL = auto()


class Code(StrEnum):
    """The stable code that clients switch on (`api.md`)."""

    kind: Kind
    summary: str

    def __new__(cls, code: str, kind: Kind, summary: str) -> Self:
        """Make a member that is its own string and carries kind and summary."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.kind = kind
        member.summary = summary
        return member

    IMAGE_TOO_LARGE = "image.too_large", Kind.TOO_LARGE, "The file is too large"
    IMAGE_UNSUPPORTED_FORMAT = "image.unsupported_format", Kind.UNSUPPORTED_FORMAT, "Not an accepted image format"
    IMAGE_MALFORMED = "image.malformed", Kind.INVALID, "The image is damaged"
    IMAGE_TOO_MANY_PIXELS = "image.too_many_pixels", Kind.INVALID, "The image has too many pixels"
    IMAGE_TOO_MANY_FRAMES = "image.too_many_frames", Kind.INVALID, "The animation has too many frames"
    IMAGE_GONE = "image.gone", Kind.GONE, "The image was deleted"
    IMAGE_ON_HOLD = "image.on_hold", Kind.CONFLICT, "The image is on hold"
    IMAGE_NOT_READY = "image.not_ready", Kind.CONFLICT, "The image cannot be shown"
    UPLOAD_EMPTY = "upload.empty", Kind.INVALID, "There is no file"
    UPLOAD_INCOMPLETE = "upload.incomplete", Kind.UNREADABLE, "The upload ended early"
    UPLOAD_CHECKSUM_MISMATCH = "upload.checksum_mismatch", Kind.INVALID, "Not the bytes that were announced"
    UPLOAD_OFFSET_CONFLICT = "upload.offset_conflict", Kind.CONFLICT, "The upload stands elsewhere"
    UPLOAD_STALLED = "upload.stalled", Kind.TIMEOUT, "The upload stopped half way"
    SOURCE_UNREACHABLE = "source.unreachable", Kind.INVALID, "The source cannot be reached"
    SOURCE_REFUSED = "source.refused", Kind.INVALID, "The source does not give the file"
    SOURCE_TOO_SLOW = "source.too_slow", Kind.INVALID, "The source is too slow"
    SOURCE_INCOMPLETE = "source.incomplete", Kind.INVALID, "The source ended early"
    UPLOAD_BYTES_MISSING = "upload.bytes_missing", Kind.CONFLICT, "Not all of the file is there"
    UPLOAD_PARTS_INVALID = "upload.parts_invalid", Kind.INVALID, "Not the parts that are there"
    UPLOAD_SIZE_MISMATCH = "upload.size_mismatch", Kind.INVALID, "Not the number of bytes that was announced"
    UPLOAD_LINK_INVALID = "upload.link_invalid", Kind.FORBIDDEN, "The upload link is not for this"
    UPLOAD_EXPIRED = "upload.expired", Kind.GONE, "The time of the upload is over"
    UPLOAD_ABORTED = "upload.aborted", Kind.GONE, "The upload was aborted"
    IDEMPOTENCY_MISMATCH = "idempotency.mismatch", Kind.CONFLICT, "The key belongs to another request"
    QUOTA_EXCEEDED = "quota.exceeded", Kind.FORBIDDEN, "The quota is used up"
    RATE_LIMITED = "rate_limited", Kind.RATE_LIMITED, "Too many requests"
    AUTH_REQUIRED = "auth.required", Kind.UNAUTHENTICATED, "Sign in first"
    AUTH_FORBIDDEN = "auth.forbidden", Kind.FORBIDDEN, "Not allowed"
    AUTH_TOTP_REQUIRED = "auth.totp_required", Kind.UNAUTHENTICATED, "A code is needed, too"
    AUTH_TOTP_INVALID = "auth.totp_invalid", Kind.UNAUTHENTICATED, "The code is wrong"
    AUTH_PASSKEY_INVALID = "auth.passkey_invalid", Kind.UNAUTHENTICATED, "The passkey cannot be used"
    FACTOR_INVALID = "factor.invalid", Kind.INVALID, "It does not work"
    AUTH_OIDC_FAILED = "auth.oidc_failed", Kind.UNAUTHENTICATED, "The sign-in elsewhere failed"
    AUTH_LINK_REQUIRED = "auth.link_required", Kind.CONFLICT, "The account has to be linked first"
    AUTH_PROVIDER_UNAVAILABLE = "auth.provider_unavailable", Kind.UNAVAILABLE, "The provider does not answer"
    AUTH_PROOF_REQUIRED = "auth.proof_required", Kind.FORBIDDEN, "Show again who you are"
    AUTH_FAILED = "auth.failed", Kind.UNAUTHENTICATED, "Name or password is wrong"
    AUTH_LINK_INVALID = "auth.link_invalid", Kind.INVALID, "The link is not valid any more"
    ACCOUNT_HANDLE_TAKEN = "account.handle_taken", Kind.CONFLICT, "Somebody has this handle"
    ACCOUNT_EMAIL_TAKEN = "account.email_taken", Kind.CONFLICT, "The e-mail address is another account's"
    ACCOUNT_SUSPENDED = "account.suspended", Kind.FORBIDDEN, "The account is suspended"
    TENANT_SUSPENDED = "tenant.suspended", Kind.FORBIDDEN, "The site is suspended"
    NOT_FOUND = "not_found", Kind.NOT_FOUND, "Not found"
    METHOD_NOT_ALLOWED = "method_not_allowed", Kind.METHOD_NOT_ALLOWED, "Method not allowed"
    CONFLICT = "conflict", Kind.CONFLICT, "It is not in a state for this"
    PRECONDITION_FAILED = "precondition_failed", Kind.PRECONDITION_FAILED, "It has changed meanwhile"
    REQUEST_INVALID = "request.invalid", Kind.INVALID, "The request is not valid"
    REQUEST_MEDIA_TYPE = "request.media_type", Kind.UNSUPPORTED_FORMAT, "Not a media type that is read here"
    REQUEST_RANGE = "request.range", Kind.UNSATISFIABLE, "There is no such part"
    REQUEST_TOO_LARGE = "request.too_large", Kind.TOO_LARGE, "The request is too large"
    REQUEST_UNREADABLE = "request.unreadable", Kind.UNREADABLE, "The request cannot be read"
    TUS_VERSION = "tus.version_unsupported", Kind.PRECONDITION_FAILED, "Not a version of tus that is spoken here"
    OEMBED_FORMAT = "oembed.unsupported_format", Kind.NOT_IMPLEMENTED, "Not a format of oEmbed that there is"
    STORAGE_FULL = "storage.full", Kind.STORAGE_FULL, "The disk is full"
    UNAVAILABLE = "unavailable", Kind.UNAVAILABLE, "Not available right now"
    INTERNAL = "internal", Kind.INTERNAL, "Something went wrong"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field of a request body, named as the client named it."""

    field: str
    message: str


class Problem(Exception):
    """A refusal with a stable code. `detail` says what happened, why and what to do next; it is shown to the client."""

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
        standings: tuple[Standing, ...] = (),
        kind: Kind | None = None,
    ) -> None:
        """`retry_after` is in seconds; `standings` how the caller stands with each limit.

        `kind` is given where a protocol wants another sort of refusal than the code has everywhere else.
        """
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.kind = kind or code.kind
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after
        self.standings = standings
