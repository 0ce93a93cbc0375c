"""What looks through everything, at its time or by hand: `gc`, `verify`, and the purges that a backup forgot."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.ports.stores import Stores
from tintype.storage.inventory import Inventory
from tintype.storage.staged_uploads import StagedUploads
from tintype.usecases.abort_upload import AbortUpload
from tintype.usecases.collect_garbage import CollectGarbage, GarbageConfig
from tintype.usecases.delete_account import DeleteAccount
from tintype.usecases.mend_references import MendReferences
from tintype.usecases.purge_image import PurgeImage
from tintype.usecases.recount_usage import RecountUsage
from tintype.usecases.replay_purges import ReplayPurges
from tintype.usecases.verify import Verify

__all__ = ["GarbageConfig", "Upkeep", "build_upkeep"]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The stories, ready to run."""

    collect_garbage: CollectGarbage
    verify: Verify
    replay_purges: ReplayPurges


def build_upkeep(
    *,
    database: Database,
    stores: Stores,
    purge_image: PurgeImage,
    delete_account: DeleteAccount,
    config: GarbageConfig,
    durability: Callable[[], Awaitable[Sequence[str]]],
) -> Upkeep:
    """Return the stories on this database and these stores; `durability` as `Verify` wants it."""
    clock, blobs = DatabaseClock(database), stores.blobs
    collect_garbage = CollectGarbage(
        database=database,
        stores=stores,
        clock=clock,
        config=config,
        mends=(
            MendReferences(database=database, inventory=Inventory(database, blobs)),
            RecountUsage(database),
        ),
        remove_blob=purge_image.remove_blob,
    )
    verify = Verify(
        database=database, blobs=blobs, staging=stores.staging, clock=clock, grace=config.grace, durability=durability
    )
    replay_purges = ReplayPurges(
        database=database,
        blobs=blobs,
        purge_again=purge_image.again,
        abort_again=AbortUpload(database=database, staged=StagedUploads(database, blobs, stores.direct)).of_deleted,
        delete_again=delete_account.again,
    )
    return Upkeep(collect_garbage, verify, replay_purges)
