"""The stories of passkeys (Web Authentication Level 3): one is registered, named, deleted, and signed in with.

A passkey shows that somebody has a device and unlocked it, which are two factors: whoever signs in with one is asked
for no code. It is bound to this site by the browser, so it cannot be typed into another. Every challenge is 32 random
bytes, lies in the database for five minutes, and is answered once.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from tintype.db.audit import record
from tintype.db.challenges import Asked, ask, take_answered
from tintype.db.clock import DatabaseClock
from tintype.db.factor_mails import tell_owner
from tintype.db.idempotency import AnsweredMeanwhile, answered_before, keep_or_undo
from tintype.db.passkeys import (
    delete_passkey,
    find_credential,
    insert_passkey,
    note_use,
    passkeys_of,
    rename_passkey,
)
from tintype.db.pool import Clash, Database
from tintype.domain.audit import Action
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt, mismatch, superseded
from tintype.domain.ids import bucket_of
from tintype.domain.own_account import Own
from tintype.domain.passkey import MAX_PASSKEYS, Passkey, counter_is_sound

CHALLENGE_BYTES: Final = 32
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
"""Long enough to find the key that lies in a drawer."""

ACCOUNT_BYTES: Final = 8
"""An account's id is what authenticators know it by (the user handle)."""

FACTOR: Final = "passkey"
"""What the audit log calls one."""

_PORTS: Final = {"http": 80, "https": 443}

SITE_NAME: Final = "Tintype"


@dataclass(frozen=True, slots=True)
class Site:
    """Where a passkey belongs: the host's name, which authenticators bind it to, and the whole origin."""

    host: str
    origin: str

    @classmethod
    def of(cls, base_url: str) -> "Site":
        """Return the site that clients reach at this address."""
        parts = urlsplit(base_url)
        standard = parts.port == _PORTS.get(parts.scheme)
        netloc = parts.netloc.rpartition(":")[0] if standard else parts.netloc  # as browsers write it (RFC 6454 §6.1)
        return cls(host=(parts.hostname or "").lower(), origin=f"{parts.scheme}://{netloc}".lower())


@dataclass(frozen=True, slots=True)
class Registered:
    """A passkey that was registered; `again` says that an earlier attempt with the same Idempotency-Key did it."""

    passkey: Passkey
    again: bool


class Passkeys:
    """Registers passkeys and recognises people by them."""

    def __init__(self, *, database: Database, clock: DatabaseClock) -> None:
        self._database = database
        self._clock = clock

    async def registration_options(self, site: Site, own: Own, *, handle: str) -> str:
        """Return, as JSON, what a page gives to `navigator.credentials.create`.

        `Problem` conflict when the account has as many passkeys as it may.
        """
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        async with self._database.transaction(own.tenant) as connection:
            existing = await passkeys_of(connection, own.account)
            _refuse_more(existing)
            await ask(
                connection,
                tenant=own.tenant,
                challenge=challenge,
                asked=Asked.REGISTER_PASSKEY,
                lifetime=CHALLENGE_LIFETIME,
                account=own.account,
            )
        options = webauthn.generate_registration_options(
            rp_id=site.host,
            rp_name=SITE_NAME,
            user_id=own.account.to_bytes(ACCOUNT_BYTES, "big"),
            user_name=handle,
            challenge=challenge,
            timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential) for passkey in existing],
        )
        return webauthn.options_to_json(options)

    async def register(
        self, site: Site, own: Own, credential: Mapping[str, Any], *, name: str, attempt: Attempt | None = None
    ) -> Registered:
        """Return the new passkey.

        `Problem`: auth.passkey_invalid, conflict when there is no room or it is there, idempotency.mismatch.
        """
        await self._clock.refresh()
        challenge = _registration_challenge(credential)
        if (before := await self._registered_before(own, attempt)) is not None:
            return Registered(before, again=True)
        async with self._database.transaction(own.tenant) as connection:
            asked = await take_answered(
                connection, tenant=own.tenant, challenge=challenge, asked=Asked.REGISTER_PASSKEY
            )
        if asked is None or asked.account != own.account:
            raise Problem(Code.FACTOR_INVALID, _EXPIRED)
        passkey = self._verified(site, credential, challenge, account=own.account, name=name)
        try:
            async with self._database.transaction(own.tenant) as connection:
                _refuse_more(await passkeys_of(connection, own.account))
                await insert_passkey(connection, passkey, tenant=own.tenant)
                await keep_or_undo(connection, tenant=own.tenant, attempt=attempt, made=passkey.id)
                await record(connection, own.entry(Action.FACTOR_ADDED, factor=FACTOR))
                await tell_owner(connection, self._clock, own)
        except Clash:
            raise Problem(Code.CONFLICT, "This passkey is registered already.") from None
        except AnsweredMeanwhile:  # a challenge is answered once: it was another request
            raise mismatch() from None
        return Registered(passkey, again=False)

    async def _registered_before(self, own: Own, attempt: Attempt | None) -> Passkey | None:
        """Return the passkey of an earlier attempt, None without one; `Problem` conflict when it is deleted since."""
        async with self._database.transaction(own.tenant) as connection:
            kept = await answered_before(connection, tenant=own.tenant, attempt=attempt)
            found = await passkeys_of(connection, own.account) if kept is not None else []
        if kept is None:
            return None
        for passkey in found:
            if passkey.id == kept.image:
                return passkey
        raise superseded()

    def _verified(
        self, site: Site, credential: Mapping[str, Any], challenge: bytes, *, account: int, name: str
    ) -> Passkey:
        try:
            verified = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                require_user_verification=True,
            )
        except _UNSOUND as error:
            raise Problem(Code.FACTOR_INVALID, _UNFIT) from error
        return Passkey(
            id=self._clock.new_id(bucket_of(account)),
            account=account,
            credential=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=_transports(credential),
            backed_up=verified.credential_backed_up,
            name=name,
            created_at=self._clock.now(),
        )

    async def sign_in_options(self, site: Site, *, tenant: int) -> str:
        """Return, as JSON, what a page gives to `navigator.credentials.get`: any passkey of this site will do."""
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        async with self._database.transaction(tenant) as connection:
            await ask(
                connection,
                tenant=tenant,
                challenge=challenge,
                asked=Asked.PASSKEY_SIGN_IN,
                lifetime=CHALLENGE_LIFETIME,
            )
        options = webauthn.generate_authentication_options(
            rp_id=site.host,
            challenge=challenge,
            timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    async def recognise(self, site: Site, credential: Mapping[str, Any], *, tenant: int) -> int:
        """Return the account whose passkey answered; `Problem` auth.passkey_invalid, alike whatever was wrong."""
        challenge, account, credential_id = _assertion(credential)
        async with self._database.transaction(tenant) as connection:
            asked = await take_answered(connection, tenant=tenant, challenge=challenge, asked=Asked.PASSKEY_SIGN_IN)
            passkey = await find_credential(connection, account=account, credential=credential_id)
        if asked is None:
            raise _expired()
        if passkey is None:
            raise _unsound()
        try:
            verified = webauthn.verify_authentication_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,  # it is looked at below, under its name
                require_user_verification=True,
            )
        except _UNSOUND as error:
            raise _unsound() from error
        await self._note(passkey, verified.new_sign_count, tenant=tenant, backed_up=verified.credential_backed_up)
        return account

    async def _note(self, passkey: Passkey, sign_count: int, *, tenant: int, backed_up: bool) -> None:
        if not counter_is_sound(passkey.sign_count, sign_count):
            raise Problem(
                Code.AUTH_PASSKEY_INVALID,
                "This passkey signed less often than we have seen: there may be a copy of it. Sign in another way, "
                "and delete it.",
            )
        async with self._database.transaction(tenant) as connection:
            if not await note_use(connection, passkey, sign_count=sign_count, backed_up=backed_up):
                raise _expired()

    async def of_account(self, own: Own) -> list[Passkey]:
        """Return the account's passkeys, newest first."""
        async with self._database.transaction(own.tenant) as connection:
            return await passkeys_of(connection, own.account)

    async def rename(self, own: Own, passkey: int, name: str) -> Passkey:
        """Return the passkey under its new name; `Problem` not_found."""
        async with self._database.transaction(own.tenant) as connection:
            renamed = await rename_passkey(connection, account=own.account, passkey=passkey, name=name)
        if renamed is None:
            raise _unknown()
        return renamed

    async def delete(self, own: Own, passkey: int) -> None:
        """Forget the passkey; `Problem` not_found."""
        await self._clock.refresh()
        async with self._database.transaction(own.tenant) as connection:
            if not await delete_passkey(connection, account=own.account, passkey=passkey):
                raise _unknown()
            await record(connection, own.entry(Action.FACTOR_REMOVED, factor=FACTOR))
            await tell_owner(connection, self._clock, own)


_UNSOUND: Final = (WebAuthnException, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
"""What a credential that somebody made up may bring about in a parser of CBOR, beside what the library says itself."""

_TRANSPORTS: Final = frozenset(transport.value for transport in AuthenticatorTransport)


def _transports(credential: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how the authenticator is reached; a hint for browsers, and nothing more."""
    given = credential["response"].get("transports") or []
    return tuple(sorted({item for item in given if item in _TRANSPORTS})) if isinstance(given, list) else ()


def _registration_challenge(credential: Mapping[str, Any]) -> bytes:
    try:
        parsed = parse_registration_credential_json(dict(credential))
        return parse_client_data_json(parsed.response.client_data_json).challenge
    except _UNSOUND as error:
        raise Problem(Code.FACTOR_INVALID, _UNFIT) from error


def _assertion(credential: Mapping[str, Any]) -> tuple[bytes, int, bytes]:
    """Return the challenge that was answered, whose passkey says so, and the id of the credential."""
    try:
        parsed = parse_authentication_credential_json(dict(credential))
        challenge = parse_client_data_json(parsed.response.client_data_json).challenge
    except _UNSOUND as error:
        raise _unsound() from error
    handle = parsed.response.user_handle
    if handle is None or len(handle) != ACCOUNT_BYTES or handle[0] > 0x7F:
        raise _unsound()
    return challenge, int.from_bytes(handle, "big"), parsed.raw_id


def _refuse_more(existing: list[Passkey]) -> None:
    if len(existing) >= MAX_PASSKEYS:
        raise Problem(Code.CONFLICT, f"An account has at most {MAX_PASSKEYS} passkeys. Delete one that you do not use.")


_UNFIT: Final = "This is not the answer of a passkey of this site that was unlocked. Try again."
_EXPIRED: Final = "What this answers was not asked, was answered, or is too old. Begin again."


def _expired() -> Problem:
    return Problem(Code.AUTH_PASSKEY_INVALID, _EXPIRED)


def _unsound() -> Problem:
    return Problem(Code.AUTH_PASSKEY_INVALID, "This passkey is not known here, or its answer is not sound. Try again.")


def _unknown() -> Problem:
    return Problem(Code.NOT_FOUND, "There is no such passkey in your account.")
