"""A tenant: who shares an installation with others and sees nothing of them.

What it may say of itself is its own: its name, the origins whose pages may call it, whether strangers may upload, its
kinds and presets. What the installation gives out is not: a slug and host names are anybody's wish, and whoever took
another's host name would get the other's visitors. Those, and tenants themselves, are for whoever manages the
installation: an operator of the tenant `default`, which set-up makes, or a key of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from tintype.domain.actor import Actor, Scope
from tintype.domain.errors import Code, Problem

DEFAULT_SLUG: Final = "default"
"""The tenant that set-up makes, to which every host leads that is nobody's."""

MAX_NAME_CHARACTERS: Final = 100
"""A name is a line in a list."""

MAX_HOSTNAMES: Final = 50
MAX_ORIGINS: Final = 50
"""Each is compared with every request that a browser makes from another site."""

ANY_ORIGIN: Final = "*"
"""Pages of any site may call, without a cookie."""

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_MAX_HOST_CHARACTERS: Final = 253
"""RFC 1035 §2.3.4, without the dot at the end."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class TenantState(StrEnum):
    """Whether a tenant is served. A suspended one keeps everything, and gets none of it."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant's row. `anonymous_uploads` None is as the installation has it."""

    id: int
    slug: str
    name: str
    state: TenantState
    hostnames: tuple[str, ...]
    origins: tuple[str, ...]
    anonymous_uploads: bool | None
    configuration: Mapping[str, Any]
    """Its own tables `presets` and `kinds`, as plain values."""
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def suspended(self) -> bool:
        """Whether nothing of it is served."""
        return self.state is TenantState.SUSPENDED

    @property
    def etag(self) -> str:
        """Return the strong ETag of its JSON."""
        return f'"{self.revision}"'


def manages_all(actor: Actor, *, tenant: Tenant) -> bool:
    """Return whether the actor, who is of this tenant, may do everything with every tenant."""
    return tenant.slug == DEFAULT_SLUG and actor.may(Scope.TENANTS, tenant=tenant.id, owner=None)


def suspended_tenant() -> Problem:
    """Return what everybody is told who asks anything of a suspended tenant."""
    return Problem(Code.TENANT_SUSPENDED, "This site is suspended. Whoever runs the server can tell why.")


def is_slug(text: str) -> bool:
    """Return whether a tenant may be called so."""
    return _SLUG.fullmatch(text) is not None


def normal_host(text: str) -> str | None:
    """Return the one spelling of a host name (RFC 5890 for what is not ASCII), or None when it is none.

    Without a port and without the dot at its end, in lower case: as it is looked up.
    """
    try:
        host = text.strip().removesuffix(".").encode("idna").decode().lower()
    except UnicodeError:
        return None
    labels = host.split(".")
    fits = len(host) <= _MAX_HOST_CHARACTERS and all(_LABEL.fullmatch(label) for label in labels)
    return host if fits else None


def normal_origin(text: str) -> str | None:
    """Return the origin as browsers write it (RFC 6454 §6.2), or None when it is none; `*` stands for all."""
    if text.strip() == ANY_ORIGIN:
        return ANY_ORIGIN
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        return None
    host = normal_host(parts.hostname or "")
    if parts.scheme not in _DEFAULT_PORTS or host is None or parts.path not in {"", "/"} or "@" in parts.netloc:
        return None
    if parts.query or parts.fragment:
        return None
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in {None, _DEFAULT_PORTS[parts.scheme]} else "")


def refuse_taken(hosts: frozenset[str]) -> None:
    """Raise `Problem` conflict for host names that are another tenant's."""
    if hosts:
        raise Problem(Code.CONFLICT, f"Another tenant has the host name {', '.join(sorted(hosts))}.")


def suspended(tenant: Tenant) -> Tenant:
    """Return the tenant as it is suspended; `Problem` conflict for `default`, whose people could not resume it."""
    if tenant.slug == DEFAULT_SLUG:
        raise Problem(Code.CONFLICT, "The tenant default cannot be suspended: nobody could resume it.")
    return replace(tenant, state=TenantState.SUSPENDED)


def resumed(tenant: Tenant) -> Tenant:
    """Return the tenant as it is served again."""
    return replace(tenant, state=TenantState.ACTIVE)
