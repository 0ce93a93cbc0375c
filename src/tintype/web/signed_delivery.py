"""What a signed URL opens, and for how long what it gave may be kept.

Whoever has such a URL may have the picture, and the URL says until when: so caches that many share may keep the answer,
as for a public picture, and none of them past the end. An answer is verified once and kept ready; from then on it costs
a look at the clock and whether its key is still valid.
"""

import re
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from tintype.db.clock import DatabaseClock
from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image
from tintype.domain.signing import Signature
from tintype.domain.visibility import BY_LINK
from tintype.reads.delivery import DeliveryRecord
from tintype.storage.signing_keys import SigningKeys
from tintype.web.delivery_answer import Representation

MOST_PREPARED: Final = 32
"""Answers kept ready for one image: every size in two formats, in two windows. More are made each time."""

_SPELLED_AS_OURS: Final = re.compile(rb"v=[0-9]{1,9}&exp=[0-9]{1,12}&sig=[0-9A-Za-z]{8}-[0-9A-Za-z_-]{22}")


class SignedRepresentation:
    """A representation as a signed URL gives it: its headers are made anew each second, for its time grows shorter."""

    __slots__ = ("_ends", "_found", "_ready", "_second", "kid", "tenant")

    def __init__(self, found: Representation, signature: Signature, image: Image) -> None:
        self.tenant = image.tenant
        self.kid = signature.kid
        self._found = found
        self._ends = _end(signature, image)
        self._second = -1
        self._ready = found

    def at(self, now: float) -> Representation | None:
        """Return what is sent at `now` (seconds since 1970), None when it is over."""
        if now >= self._ends:
            return None
        second = int(now)
        if second != self._second:
            self._ready, self._second = _kept_for(self._found, self._ends, now), second
        return self._ready


class SignedUrls:
    """Verifies signed URLs."""

    def __init__(self, keys: SigningKeys, clock: DatabaseClock) -> None:
        self._keys = keys
        self._clock = clock

    async def opens(self, signature: Signature | None, path: str, version: int | None, image: Image) -> bool:
        """Return whether the signature opens this path and version of the image now."""
        if signature is None or version is None:
            return False
        with suppress(Problem):  # the database is away: its clock was measured before, or is taken for ours
            await self._clock.refresh()
        if signature.expires <= self._clock.seconds():
            return False
        try:
            key = await self._keys.find(image.tenant, signature.kid)
        except Problem:
            if image.visibility in BY_LINK:  # served from memory, whoever asks, while the database is away
                return False
            raise
        return key is not None and signature.opens(key, path, version)

    def ready(self, prepared: SignedRepresentation) -> Representation | None:
        """Return what was verified before, if it still is open; None when that has to be found out."""
        if self._keys.remembered(prepared.tenant, prepared.kid) is None:
            return None
        return prepared.at(self._clock.seconds())

    def first(self, prepared: SignedRepresentation) -> Representation:
        """Return what is sent of what was verified just now; `Problem` not_found if its time ran out meanwhile."""
        found = prepared.at(self._clock.seconds())
        if found is None:
            raise Problem(Code.NOT_FOUND, "There is no such image.")
        return found


def keep(record: DeliveryRecord, key: Hashable, query: bytes, signed: SignedRepresentation) -> None:
    """Keep the answer ready with its record, if its URL is spelt as ours are."""
    if len(record.prepared) < MOST_PREPARED and _SPELLED_AS_OURS.fullmatch(query):
        record.prepared[key] = signed


def _end(signature: Signature, image: Image) -> float:
    """Return when the URL ends: at its own time, or at the image's."""
    return min(signature.expires, image.expires_at.timestamp() if image.expires_at else signature.expires)


def _kept_for(found: Representation, ends: float, now: float) -> Representation:
    headers = [header for header in found.headers if header[0] not in {b"cache-control", b"expires"}]
    return replace(found, headers=[*headers, (b"cache-control", b"public, max-age=%d" % int(ends - now))], ends_at=ends)
