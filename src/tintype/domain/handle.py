"""Handles: the names that people find each other by.

ASCII letters, digits, `_` and `.` alone. Unicode has a look-alike for each of them, and a name that only a computer can
tell from another is a trap for people; so nothing is translated, everything else is refused. Case is folded: `Ada` and
`ada` are one name.
"""

import re
from typing import Final

MIN_CHARACTERS: Final = 2
MAX_CHARACTERS: Final = 30
"""It stands under every picture, on a phone's screen too."""

_FORM: Final = re.compile(r"[a-z0-9](?:[a-z0-9]|[_.](?![_.])){0,28}[a-z0-9]")
"""Separators stand alone, and neither first nor last, so that a name cannot end in what looks like punctuation."""

_OURS: Final = re.compile(r"(?:acc|img|pst|upl|ten|job|ses|key)_[a-z0-9]{11}")
"""The form of public ids: a path that takes both must know which is meant."""

_RESERVED_TEXT: Final = """
about abuse account accounts admin administrator admins all anonymous api app apps archive assets audit auth
avatar banner billing blog bot bots cdn channel comments compliance config contact copyright create data default
delete deleted dev developer developers discover docs domain download edit email embed everyone explore export
faq favicon favicon.ico feed feedback feeds files follow followers following ftp group groups guest health
healthz help home host hostmaster http https id image images img imprint index index.html info inbox invite jobs
keys legal likes link links list lists localhost login logout mail mailer mailer.daemon me media member members
messages metrics mod moderation moderator moderators myself name network new news nobody noreply notifications
null oauth oembed official operator operators owner page password payments photo photos picture pictures policy
popular post postmaster posts press privacy profile public readyz register report reports reset robots.txt root
rss rules safety save saved schema search security self server session sessions settings setup share sign signin
signout signup site sitemap staff static status store stories story stream subscribe support sys sysadmin system
tag tags team tenant tenants terms test tintype token trending trust tus undefined unknown update upload uploads
uptime usage user username users verified verify video videos webfinger webhooks webmaster well.known whois www
you
"""
RESERVED: Final = frozenset(_RESERVED_TEXT.split())
"""What an address of the site may need, and names that somebody would take for the site's own."""


class BadHandle(ValueError):
    """The text is no handle; the message says why, as a sentence for whoever chose it."""


def normal_handle(text: str) -> str:
    """Return the normal form of a handle, under which it is unique; `BadHandle` for what is none."""
    if not text.isascii():
        raise BadHandle("Only the letters a to z, digits, _ and . are taken: others look alike.")
    handle = text.lower()
    if not MIN_CHARACTERS <= len(handle) <= MAX_CHARACTERS:
        raise BadHandle(f"A handle has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters.")
    if not _FORM.fullmatch(handle):
        raise BadHandle("Only a to z, 0 to 9, _ and . are taken; _ and . stand alone, and neither first nor last.")
    if handle in RESERVED or _OURS.fullmatch(handle):
        raise BadHandle("This handle is reserved. Choose another one.")
    return handle
