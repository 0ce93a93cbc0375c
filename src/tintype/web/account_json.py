"""Accounts and sessions as clients see them. Presents what was read; asks nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from tintype.domain.account import SESSION_PREFIX, Account
from tintype.domain.ids import public_id
from tintype.domain.image import Image
from tintype.domain.session import Session
from tintype.web.image_json import utc_time


class AccountJson(msgspec.Struct, kw_only=True):
    """An account as everybody sees it."""

    id: str
    handle: str
    name: str | None
    bio: str | None
    links: tuple[str, ...]
    avatar: str | None
    banner: str | None
    private: bool
    followers: int
    following: int
    posts: int
    created_at: str
    relation: None


class OwnAccountJson(AccountJson, kw_only=True):
    """An account as it sees itself, and as those see it who decide about it."""

    email: str
    email_verified: bool
    has_password: bool
    role: Literal["member", "moderator", "operator"]
    state: Literal["active", "suspended", "deleted"]
    state_reason: str | None


class AccountListJson(msgspec.Struct):
    """A page: `next` is the cursor of what comes after it, null at the end."""

    items: list[OwnAccountJson]
    next: str | None


class OpenedSessionJson(msgspec.Struct, kw_only=True):
    """A session that begins: `token` is shown this once. `csrf_token` is for pages that live by the cookie."""

    token: str
    csrf_token: str
    account: OwnAccountJson
    expires_at: str


class OwnSessionJson(msgspec.Struct, kw_only=True):
    """The session that asks."""

    id: str
    csrf_token: str
    account: OwnAccountJson
    expires_at: str


class SessionJson(msgspec.Struct, kw_only=True):
    """A session in the list of its account; `current` is the one that asks."""

    id: str
    address: str | None
    agent: str | None
    current: bool
    created_at: str
    seen_at: str
    expires_at: str


class SessionListJson(msgspec.Struct):
    """Every session of the account, newest first."""

    items: list[SessionJson]
    next: None


@dataclass(frozen=True, slots=True)
class Pictures:
    """The images of accounts that there is something to show of, by id, and where clients reach them."""

    images: Mapping[int, Image]
    base_url: str

    def url(self, image_id: int | None) -> str | None:
        """Return where the image is, in the largest size that its kind is made in; None for what is not shown."""
        image = self.images.get(image_id) if image_id is not None else None
        if image is None:
            return None
        sizes = sorted(image.recipe.presets, key=lambda preset: preset.transform.width * preset.transform.height)
        name = sizes[-1].name if sizes else f"original.{image.format.extension}"
        return f"{self.base_url}/i/{image.ref}/{name}?v={image.version}"


NO_PICTURES: Final = Pictures({}, "")
"""Of an account that has just been made."""


def present_account(account: Account, pictures: Pictures) -> AccountJson:
    """Return what everybody may see. What counts is counted by the social layer, and 0 without it."""
    return AccountJson(
        id=account.public_id,
        handle=account.handle,
        name=account.name,
        bio=account.bio,
        links=account.links,
        avatar=pictures.url(account.avatar),
        banner=pictures.url(account.banner),
        private=account.private,
        followers=0,
        following=0,
        posts=0,
        created_at=utc_time(account.created_at),
        relation=None,
    )


def present_own_account(account: Account, pictures: Pictures) -> OwnAccountJson:
    """Return what the account itself, and who decides about it, may see."""
    return OwnAccountJson(
        **msgspec.structs.asdict(present_account(account, pictures)),
        email=account.email,
        email_verified=account.email_verified_at is not None,
        has_password=account.password_hash is not None,
        role=account.role.value,
        state=account.state.value,
        state_reason=account.state_reason,
    )


def session_name(session: int) -> str:
    """Return the public id of a session: it names it, and opens nothing."""
    return public_id(SESSION_PREFIX, session)


def present_session(session: Session, *, current: int | None) -> SessionJson:
    """Return a session of the list."""
    return SessionJson(
        id=session_name(session.id),
        address=session.address,
        agent=session.agent,
        current=session.id == current,
        created_at=utc_time(session.created_at),
        seen_at=utc_time(session.seen_at),
        expires_at=utc_time(session.expires_at),
    )
