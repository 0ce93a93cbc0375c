"""What looks through everything, at its time or by hand: `gc`, `verify`, and the purges that a backup forgot."""

from dataclasses import dataclass

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.ports.blobs import BlobStore
from tintype.ports.staging import Staging
from tintype.storage.inventory import Inventory
from tintype.usecases.collect_garbage import CollectGarbage, GarbageConfig
from tintype.usecases.mend_references import MendReferences
from tintype.usecases.purge_image import PurgeImage
from tintype.usecases.replay_purges import ReplayPurges

__all__ = ["GarbageConfig", "Upkeep", "build_upkeep"]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The stories, ready to run."""

    collect_garbage: CollectGarbage
    replay_purges: ReplayPurges


def build_upkeep(
    *, database: Database, blobs: BlobStore, staging: Staging, presets: frozenset[str], config: GarbageConfig
) -> Upkeep:
    """Return the stories on this database and these stores."""
    purge_image = PurgeImage(database=database, blobs=blobs, presets=presets)
    collect_garbage = CollectGarbage(
        database=database,
        blobs=blobs,
        staging=staging,
        clock=DatabaseClock(database),
        config=config,
        mend_references=MendReferences(database=database, inventory=Inventory(database, blobs)),
        remove_blob=purge_image.remove_blob,
    )
    return Upkeep(collect_garbage, ReplayPurges(database=database, blobs=blobs, purge_again=purge_image.again))
