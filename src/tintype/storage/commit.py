"""The commit that every upload ends in, whichever door its bytes came by (design §5).

Within the caller's transaction: its place, where there is one of its kind (`storage/attaching.py`), the blob's row and
a reference to it, the image, the job that processes it. What the caller adds (an answer that is kept, the end of a
staged upload) is committed with it or not at all; usage is counted last (`db/usage.py`).

Locks are taken in one order: the place's (an account's row, for an avatar), that of the image that is replaced, the
blob's.
"""

from tintype.db.account_deletions import hold_active
from tintype.db.blobs import insert_ref
from tintype.db.images import insert_image
from tintype.db.jobs import enqueue_process_image
from tintype.db.pool import Connection
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image
from tintype.domain.kind import UploadKind
from tintype.imaging.examine import SANITISER_VERSION
from tintype.storage.attaching import claim_place
from tintype.storage.intake import CleanBytes, Intake


async def commit_image(
    connection: Connection,
    intake: Intake,
    image: Image,
    clean: CleanBytes,
    *,
    kind: UploadKind,
    by: Requester,
) -> bool:
    """Write the image with these bytes, which are stored; return whether who sends it had them before.

    `Problem` auth.required when its account is closed. A clash of ids is psycopg's UniqueViolation.
    """
    tenant, sha256, owner = image.tenant, image.sha256, image.uploader
    await claim_place(connection, image, kind, by)
    if image.owner is not None and not await hold_active(connection, image.owner):
        raise Problem(Code.AUTH_REQUIRED, "This account is closed. Nothing was kept.")
    duplicate = await intake.claim(connection, tenant, clean, owner=owner)
    await insert_ref(connection, tenant=tenant, sha256=sha256, image=image.id, version=1, owner=owner)
    await insert_image(connection, image, sanitiser_version=SANITISER_VERSION)
    await enqueue_process_image(connection, tenant=tenant, image=image.id, version=1)
    return duplicate
