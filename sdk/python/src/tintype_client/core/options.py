"""What an upload may be told, as its caller writes it and as the core wants it; the same for both clients."""

from typing import Final, TypedDict, cast

from tintype_client.core.api import Api
from tintype_client.core.arguments import new_key, refuse_unknown, seconds
from tintype_client.core.effects import Source
from tintype_client.core.fields import FIELDS, Fields, fields_of
from tintype_client.core.progress import Meter, OnProgress
from tintype_client.core.upload import PARALLEL_PARTS, Upload, Wanted
from tintype_client.models import Method


class SendOptions(TypedDict, total=False):
    """How to send a file."""

    filename: str | None
    """What the file is called; of a path its last part."""
    content_type: str | None
    """Its media type; a look at the file tells. The server believes the bytes alone."""
    wait: bool | float
    """Whether to wait until every size is there (the usual), or for how many seconds; False returns at once."""
    on_progress: OnProgress | None
    """Called with a `Progress` while bytes leave. What it raises ends the upload."""
    parallel: int
    """How many parts of a large file are under way at once."""


class UploadOptions(SendOptions, Fields, total=False):
    """How to upload, and what is said of the image."""

    method: Method | None
    """`direct`, `put`, `multipart` or `tus`; without it the size decides. `tus` is for lines that break often."""
    resume: bool
    """Whether an upload that was interrupted goes on when the same file is uploaded again, even by a new process."""
    idempotency_key: str | None
    """Makes the upload the same one however often it is begun with this key; a random one without it."""


_SEND_OPTIONS: Final = frozenset(SendOptions.__annotations__)
_UPLOAD_OPTIONS: Final = _SEND_OPTIONS | FIELDS | {"method", "resume", "idempotency_key"}


def upload_of(api: Api, source: Source, options: UploadOptions) -> Upload:
    """Return the upload of the source as its caller wants it; `TypeError` for an option that there is not."""
    refuse_unknown(options, _UPLOAD_OPTIONS)
    wanted = Wanted(
        fields=fields_of(options),
        new_key=lambda: options.get("idempotency_key") or new_key(),
        method=options.get("method"),
        wait_seconds=seconds(options.get("wait", True)),
        parallel=options.get("parallel", PARALLEL_PARTS),
        resumable=options.get("resume", False),
    )
    return Upload(api, source, wanted, Meter(source.size, options.get("on_progress")))


def upload_by_link(api: Api, source: Source, options: SendOptions) -> Upload:
    """Return the upload of the source as its caller wants it, by a link that says the rest."""
    refuse_unknown(options, _SEND_OPTIONS)
    return upload_of(api, source, cast("UploadOptions", options))
