"""Builds what goes to servers that somebody else names."""

from typing import Final

from tintype.adapters.public_web import HttpPublicWeb, Reach
from tintype.ports.public_web import PublicWeb
from tintype.settings import Settings

CONNECT_SECONDS: Final = 5.0
"""For name, connection and TLS; across the world they take half a second."""


def public_web(settings: Settings) -> PublicWeb:
    """Return what calls them."""
    return HttpPublicWeb(Reach(settings.outgoing.allow, settings.outgoing.ports))
