"""What answers say about an upload: HEAD everything, a PATCH and a POST where it stands."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from tintype.domain.tus.appending import Stand


@dataclass(frozen=True, slots=True)
class Status:
    """An upload as it is shown. `metadata` and `concat` are the headers as the client sent them."""

    stand: Stand
    metadata: str = ""
    concat: str = ""
    expires_at: datetime | None = None
    image: str | None = None
    """The public id of what was made of it."""


def progress_headers(status: Status) -> dict[str, str]:
    """Return the headers of an answer to bytes."""
    headers = {"upload-offset": str(status.stand.offset)}
    if status.expires_at is not None and not status.stand.complete:
        headers["upload-expires"] = format_datetime(status.expires_at.astimezone(UTC), usegmt=True)
    if status.image is not None:
        headers["tintype-image"] = status.image
    return headers


def status_headers(status: Status) -> dict[str, str]:
    """Return the headers of an answer to HEAD."""
    headers = {**progress_headers(status), "cache-control": "no-store"}
    if status.stand.length is None:
        headers["upload-defer-length"] = "1"
    else:
        headers["upload-length"] = str(status.stand.length)
    if status.metadata:
        headers["upload-metadata"] = status.metadata
    if status.concat:
        headers["upload-concat"] = status.concat
    return headers
