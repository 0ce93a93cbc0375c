"""What obstore raises, told in the words of the blob port: briefly, and without a word that it had from the store.

Its texts quote addresses, and answers with what was signed; ours name the status and the kind of trouble alone.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError

from tintype.ports.blobs import BlobMissing, BlobStoreFailed, BlobStoreFull

_STATUS: Final = re.compile(r"status(?: code)?:? (\d{3})|\b([45]\d\d) [A-Z][a-z]")
_SETTINGS: Final = re.compile(r"retry_timeout:? \S+")
_NO_BUCKET: Final = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist")
_KINDS: Final = (
    (re.compile(r"timed? ?out", re.IGNORECASE), "it took too long"),
    (re.compile(r"dns error|lookup address"), "its name is not known"),
    (re.compile(r"certificate|UnknownIssuer"), "its certificate is not trusted"),
    (re.compile(r"kind: Connect|sending request"), "it cannot be reached"),
)
_REFUSED: Final = "the store does not take the credentials, or they do not give the right to this"


@contextmanager
def told(key: str = "") -> Iterator[None]:
    """Turn what the store did not do into `BlobMissing`, `BlobStoreFull` or `BlobStoreFailed`.

    That something is there already passes through: it is an answer.
    """
    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET.search(str(error)):
            raise BlobStoreFailed("the store has no such bucket") from None
        raise BlobMissing(key) from None
    except AlreadyExistsError:
        raise
    except (PermissionDeniedError, UnauthenticatedError):
        raise BlobStoreFailed(_REFUSED) from None
    except TimeoutError:
        raise BlobStoreFailed("the store took too long") from None
    except (BaseError, OSError) as error:
        raise _failure(reason_of(str(error))) from None


def reason_of(text: str) -> str:
    """Return what a text of obstore says, in words of ours."""
    if found := _STATUS.search(text):
        return f"HTTP {found[1] or found[2]}"
    said = _SETTINGS.sub("", text)
    return next((words for pattern, words in _KINDS if pattern.search(said)), "it gave no reason that we know")


def _failure(reason: str) -> BlobStoreFailed | BlobStoreFull:
    match reason:
        case "HTTP 507":
            return BlobStoreFull("the store has no room")
        case "HTTP 403":
            return BlobStoreFailed(_REFUSED)
        case "HTTP 404":
            return BlobStoreFailed("the store has no such bucket")
    return BlobStoreFailed(f"the store failed: {reason}")
