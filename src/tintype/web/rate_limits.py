"""How many uploads an address may send, counted in this process: enough to keep one visitor from filling the disk."""

import ipaddress
import time
from collections import OrderedDict
from typing import Final

from tintype.domain.errors import Code, Problem
from tintype.domain.rate_limit import Bucket, RateLimit, full, take

REMEMBERED_ADDRESSES: Final = 50_000
"""About 200 bytes each; whoever was not seen for longest starts anew."""

IPV6_PREFIX: Final = 64
"""One customer has a /64 at the least; counting single addresses of it would count nothing."""


class UploadLimiter:
    """Token buckets by address."""

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def charge(self, address: str) -> None:
        """Take one upload from the address; `Problem` rate_limited when it has none left."""
        if self._limit is None:
            return
        name, now = _counted_as(address), time.monotonic()
        decision = take(self._limit, self._buckets.get(name) or full(self._limit, now), now)
        self._buckets[name] = decision.bucket
        self._buckets.move_to_end(name)
        if len(self._buckets) > REMEMBERED_ADDRESSES:
            self._buckets.popitem(last=False)
        if not decision.allowed:
            raise Problem(
                Code.RATE_LIMITED,
                f"Too many uploads from your address. Try again in {decision.retry_after} s, or use an API key.",
                retry_after=decision.retry_after,
                limit=self._limit,
            )


def _counted_as(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:  # a socket for both families names IPv4 clients so: all of them in one /64
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))
