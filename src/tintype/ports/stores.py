"""Where bytes lie, together: for who looks after all of it."""

from dataclasses import dataclass

from tintype.ports.blobs import BlobStore
from tintype.ports.direct_uploads import DirectUploads
from tintype.ports.staging import Staging


@dataclass(frozen=True, slots=True)
class Stores:
    """The blobs, the scratch of requests under way, and how clients write to the store by themselves, if they do."""

    blobs: BlobStore
    staging: Staging
    direct: DirectUploads | None = None
