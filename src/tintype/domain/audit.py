"""What the audit log says: who did what, from where, to what, and how it went. When is the database's to say.

The list of actions is closed: what is not here is not logged, and whoever reads the log can know every word of it. An
entry holds ids, never names, addresses of mail, tokens, signed URLs or anything else that opens a door. An image is
named without the half of its public id that is its secret: who may read the log may not see every picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Final

from tintype.domain.actor import Actor
from tintype.domain.ids import ACCOUNT_PREFIX, IMAGE_PREFIX, KEY_PREFIX, public_id

ENTRY_PREFIX: Final = "aud_"


class Action(StrEnum):
    """What was done; the value is how the log and the API write it."""

    # Coming and going
    SIGNED_IN = "session.created"
    SIGN_IN_FAILED = "session.failed"
    SIGNED_OUT = "session.ended"
    SESSION_REVOKED = "session.revoked"

    # Accounts
    SIGNED_UP = "account.created"
    EMAIL_VERIFIED = "account.email_verified"
    EMAIL_CHANGED = "account.email_changed"
    PASSWORD_CHANGED = "account.password_changed"  # noqa: S105 -- an action
    PASSWORD_RESET = "account.password_reset"  # noqa: S105 -- likewise
    PASSWORD_RESET_ASKED = "account.password_reset_asked"  # noqa: S105 -- likewise
    PROFILE_CHANGED = "account.profile_changed"
    ROLE_CHANGED = "account.role_changed"
    SUSPENDED = "account.suspended"
    UNSUSPENDED = "account.unsuspended"
    DELETION_ASKED = "account.deletion_asked"
    DELETED = "account.deleted"
    EXPORT_ASKED = "account.export_asked"
    EXPORT_DOWNLOADED = "account.export_downloaded"

    # Second factors and other ways in
    FACTOR_ADDED = "factor.added"
    FACTOR_REMOVED = "factor.removed"
    FACTOR_FAILED = "factor.failed"
    RECOVERY_CODES_MADE = "factor.recovery_codes_made"
    RECOVERY_CODE_USED = "factor.recovery_code_used"
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_UNLINKED = "identity.unlinked"

    # Keys
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"

    # Webhooks
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_SECRET_ROTATED = "webhook.secret_rotated"  # noqa: S105 -- an action
    WEBHOOK_DELETED = "webhook.deleted"

    # Images
    IMAGE_TRASHED = "image.trashed"
    IMAGE_RESTORED = "image.restored"
    IMAGE_PURGED = "image.purged"
    IMAGE_REPLACED = "image.replaced"
    VISIBILITY_CHANGED = "image.visibility_changed"
    IMAGE_HELD = "image.held"
    IMAGE_RELEASED = "image.released"
    URL_SIGNED = "image.url_signed"

    # Tenants
    TENANT_CREATED = "tenant.created"
    TENANT_CHANGED = "tenant.changed"
    TENANT_SUSPENDED = "tenant.suspended"
    TENANT_RESUMED = "tenant.resumed"
    QUOTA_CHANGED = "tenant.quota_changed"
    SIGNING_KEY_MADE = "tenant.signing_key_made"
    SIGNING_KEY_REVOKED = "tenant.signing_key_revoked"

    # The log itself
    LOG_EXPORTED = "audit.exported"


class Result(StrEnum):
    """How it went. What never came to a decision is not logged."""

    DONE = "done"
    REFUSED = "refused"


class Via(StrEnum):
    """Which way it was asked: by a request, at the machine's command line, or by nobody, at its time."""

    API = "api"
    COMMAND = "command"
    SYSTEM = "system"


class Noted(StrEnum):
    """How much of an address is written down."""

    FULL = "full"
    NETWORK = "network"
    """The IPv4 /24 or the IPv6 /48: a provider's corner of a town, not a household."""
    NOTHING = "off"


_IPV4_NETWORK: Final = 24
_IPV6_NETWORK: Final = 48


def noted_address(address: str, noted: Noted) -> str | None:
    """Return what may be written down of a client's address; what is none, such as a socket's path, is not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if noted is Noted.NOTHING:
        return None
    if noted is Noted.FULL:
        return str(parsed)
    bits = _IPV4_NETWORK if parsed.version == 4 else _IPV6_NETWORK
    return str(ip_network((int(parsed), bits) if parsed.version == 6 else f"{parsed}/{bits}", strict=False))


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks and from where, as the log knows them. Without an actor a stranger, or whoever `via` says."""

    actor: Actor | None = None
    address: str | None = None
    """As much of it as may be written down (`noted_address`)."""
    via: Via = Via.API

    @property
    def account(self) -> int | None:
        """The account that asks, by session or by key."""
        return self.actor.account if self.actor is not None else None

    @property
    def key(self) -> int | None:
        """The API key that was shown."""
        return self.actor.key if self.actor is not None else None


NOBODY: Final = Requester(via=Via.SYSTEM)
"""What is due at its time is asked by nobody."""

CONSOLE: Final = Requester(via=Via.COMMAND)
"""Whoever may run commands on the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log."""

    action: Action
    by: Requester
    account: int | None = None
    """Whom it concerns, who sees it among their own entries; None: whoever asks."""
    object: str | None = None
    """The public id of what it was done to (`image_object` for an image)."""
    result: Result = Result.DONE
    detail: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    """Few plain words: old and new value of what changed, the scope of a key. No secret and nothing that a person
    wrote."""

    @property
    def concerns(self) -> int | None:
        """The account whose entry it is."""
        return self.account if self.account is not None else self.by.account


def image_object(image_id: int) -> str:
    """Return what the log calls an image: its public id without the secret."""
    return public_id(IMAGE_PREFIX, image_id)


def account_object(account_id: int) -> str:
    """Return what the log calls an account."""
    return public_id(ACCOUNT_PREFIX, account_id)


def key_object(key_id: int) -> str:
    """Return what the log calls an API key."""
    return public_id(KEY_PREFIX, key_id)
