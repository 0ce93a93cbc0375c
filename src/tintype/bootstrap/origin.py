"""Where this node serves, by which protocol, and how its own processes ask it whether it answers."""

import ssl
from datetime import timedelta
from typing import Final

from tintype.adapters.certificate import Certificate, read_certificate
from tintype.adapters.origin_http import HttpOrigin
from tintype.settings import Settings

_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- nothing is bound here
"""Where a server that listens everywhere is reached from its own machine."""


HTTPS_PORT: Final = 443


def scheme(settings: Settings) -> str:
    """Return what this node speaks: https when it has a certificate."""
    return "https" if settings.tls.certificate else "http"


def own_url(settings: Settings) -> str:
    """Return where this node is reached from its own machine."""
    host = _LOCAL.get(settings.host, settings.host)
    return f"{scheme(settings)}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def site_url(settings: Settings) -> str:
    """Return where people reach us, for links in mails and events: as configured, never as a request says.

    A Host header is its sender's to write, and a mail with their host in it would send them our token.
    """
    return settings.public_url or own_url(settings)


def origin_url(settings: Settings) -> str:
    """Return where a worker reaches the API: where this machine serves, or the public address of one that does not."""
    return settings.public_url if _is_elsewhere(settings) and settings.public_url else own_url(settings)


def origin(settings: Settings) -> HttpOrigin:
    """Return the origin that a worker asks."""
    return HttpOrigin(origin_url(settings), tls=None if _is_elsewhere(settings) else own_tls())


def own_tls() -> ssl.SSLContext:
    """Return how this machine asks itself: it has named itself by an address that its certificate need not know.

    What is asked is whether the server answers, and nothing secret is sent.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def come_by_https(settings: Settings) -> bool:
    """Return whether browsers reach us by https: by this server's own, or by that of a proxy before it."""
    return site_url(settings).startswith("https:")


def https_site(settings: Settings, host: str) -> str:
    """Return where somebody finds us by https who asked for this host by http."""
    if settings.public_url is not None and settings.public_url.startswith("https:"):
        return settings.public_url
    return f"https://{host}" if settings.port == HTTPS_PORT else f"https://{host}:{settings.port}"


def hsts_of(settings: Settings) -> timedelta | None:
    """Return how long browsers are told to insist on https: not at all where they come by http."""
    return settings.tls.hsts if come_by_https(settings) else None


def _is_elsewhere(settings: Settings) -> bool:
    return settings.role == "worker" and settings.public_url is not None


def certificate_of(settings: Settings) -> Certificate | None:
    """Return what the certificate says; None when there is none. Raises `CertificateUnusable`."""
    tls = settings.tls
    return read_certificate(tls.certificate, tls.key) if tls.certificate and tls.key else None
