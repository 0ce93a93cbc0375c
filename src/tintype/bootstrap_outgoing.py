"""Builds what goes to servers that somebody else names; `bootstrap.py` calls it."""

from typing import Final

from tintype.adapters.public_web import HttpPublicWeb, Reach
from tintype.ports.public_web import Patience, PublicWeb
from tintype.settings import Settings
from tintype.web.source_upload import Sources
from tintype.web.upload_slots import SlotLimits, UploadSlots

CONNECT_SECONDS: Final = 5.0
"""For name, connection and TLS; across the world they take half a second."""


def public_web(settings: Settings) -> PublicWeb:
    """Return what calls them."""
    return HttpPublicWeb(Reach(settings.outgoing.allow, settings.outgoing.ports))


def sources_of(settings: Settings) -> Sources:
    """Return where files are fetched from; the places are limited even where rates are not."""
    outgoing = settings.outgoing
    one = outgoing.fetch_concurrent_per_caller if settings.rate_limits else None
    return Sources(
        web=public_web(settings),
        ports=outgoing.ports,
        patience=Patience(CONNECT_SECONDS, outgoing.fetch_stall_seconds, outgoing.fetch_seconds),
        slots=UploadSlots(SlotLimits(outgoing.fetch_concurrent, per_address=one, per_key=None)),
    )
