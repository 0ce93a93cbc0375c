"""The story of a verification: what must hold is looked for everywhere, and every violation counted and named.

Nothing is changed. Rows are held against each other in one snapshot each (`rows`), files against rows in one walk
through both (`files`), purges against the journal (`purges`); the database is asked what it would lose. The product may
run meanwhile: what looks wrong is looked at again, under the lock that an upload or a purge in between would hold, or a
moment later, before it counts. How it fails: when rows or store cannot be read at all it ends, and vouches for nothing.
"""

from tintype.usecases.verify.verify import Verify

__all__ = ["Verify"]
