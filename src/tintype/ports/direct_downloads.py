"""How clients read bytes straight from a remote store: addresses that we sign and they follow.

A store on this machine has no such port (`None`): there the server sends files itself.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SignedAddress:
    """A URL that gives a blob, whole or in ranges, to GET, and for how long from now at least."""

    url: str = field(repr=False)
    lifetime: timedelta


class DirectDownloads(Protocol):
    """What a remote store does for readers."""

    def address(self, key: str, *, content_type: str, disposition: str, cache_control: str) -> SignedAddress:
        """Sign an address whose answer has these values of the headers of these names.

        It is the same for some time, so that what follows it can be cached. Asks nobody: where there is no such blob,
        the store's answer says so.
        """
        ...
