"""How often somebody may try to get in, so that guessing is hopeless and nobody is locked out by others who guess.

A sign-in is counted three times, and given back when it succeeds, so that failures alone count:

* by address: one machine that tries many accounts;
* by name and address: one machine that tries one account, ten times and then once a minute;
* by name alone, from wherever: many machines that try one account. The owner must not suffer for that. So whoever
  comes from a place that the account was signed in from, or with a browser that was, passes this one by
  (OWASP, Slow Down Online Guessing Attacks with Device Cookies).

Names are counted as they were written, whether there is such an account or not: a limit tells nothing either.
"""

import hashlib
from typing import Final

from tintype.domain.rate_limit import Charge, RateLimit, Scope, Unit

ADDRESS: Final = RateLimit(burst=60, rate=20 / 60)
"""An office behind one address comes to work."""

PLACE: Final = RateLimit(burst=10, rate=1 / 60)
"""Whoever forgot which of their passwords it was has tried them all."""

NAME: Final = RateLimit(burst=100, rate=2 / 60)
"""NIST SP 800-63B-4 §3.2.2: at most a hundred failures. What comes after is a million guesses in a year."""

SIGN_UP: Final = RateLimit(burst=20, rate=10 / 3600)
"""A class signs up together; then one every six minutes."""

MAILS: Final = RateLimit(burst=10, rate=1 / 60)
"""Mails that an address may have sent: whoever did not get one asks again, three times."""

PROOF: Final = RateLimit(burst=20, rate=1 / 60)
"""Of somebody who is signed in and shows their password once more."""

CODE: Final = RateLimit(burst=10, rate=10 / 3600)
"""Codes of an authenticator app, from wherever: who guesses them knows the password. Three of a million are right at a
time, so a day of guessing gets in with one chance in a thousand. Recovery codes are not counted: nobody guesses 120
bits, and so whoever guesses cannot keep the owner out."""


def sign_in_charges(*, name: str, address: str, known: bool) -> tuple[Charge, ...]:
    """Return what an attempt takes; `known` is somebody whose place or browser the account knows.

    `address` is as addresses are counted, `name` what was written: only its digest becomes the name of a bucket.
    """
    subject = _digest(name)
    taken = (
        Charge(Scope.SIGN_IN_ADDRESS, Unit.REQUESTS, ADDRESS, address, 1),
        Charge(Scope.SIGN_IN_PLACE, Unit.REQUESTS, PLACE, f"{subject} {address}", 1),
    )
    return taken if known else (*taken, Charge(Scope.SIGN_IN_NAME, Unit.REQUESTS, NAME, subject, 1))


def sign_up_charges(*, address: str) -> tuple[Charge, ...]:
    """Return what a sign-up takes, whatever becomes of it."""
    return (Charge(Scope.SIGN_UP, Unit.REQUESTS, SIGN_UP, address, 1),)


def mail_charges(*, address: str) -> tuple[Charge, ...]:
    """Return what asking for a mail takes, or trying a token of one."""
    return (Charge(Scope.MAILS, Unit.REQUESTS, MAILS, address, 1),)


def begin_charges(*, address: str) -> tuple[Charge, ...]:
    """Return what beginning to sign in without a name takes: by a passkey, or elsewhere."""
    return (Charge(Scope.SIGN_IN_ADDRESS, Unit.REQUESTS, ADDRESS, address, 1),)


def proof_charges(*, account: int) -> tuple[Charge, ...]:
    """Return what showing one's password once more takes, given back when it was right."""
    return (Charge(Scope.PROOF, Unit.REQUESTS, PROOF, str(account), 1),)


def code_charges(*, account: int) -> tuple[Charge, ...]:
    """Return what a code of the account's app takes, given back likewise."""
    return (Charge(Scope.CODE, Unit.REQUESTS, CODE, str(account), 1),)


def _digest(name: str) -> str:
    return hashlib.sha256(name.casefold().encode("utf-8", "replace")).hexdigest()[:32]
