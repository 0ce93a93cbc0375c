"""What may be said of an account: each check notes what is wrong and goes on. A client learns of all its mistakes."""

from typing import Any, Final
from urllib.parse import urlsplit

from tintype.domain.email_address import BadEmail, EmailAddress, parse_email
from tintype.domain.handle import BadHandle, normal_handle
from tintype.domain.password import BadPassword, check_password
from tintype.web.image_fields import check_text
from tintype.web.json_body import Fields

MAX_NAME_CHARACTERS: Final = 60
"""A name stands on one line, beside a picture."""

MAX_BIO_CHARACTERS: Final = 500
"""A paragraph."""

MAX_LINKS: Final = 5
MAX_LINK_CHARACTERS: Final = 300
"""Addresses that people give others are short."""

SITE_WORDS: Final = ("tintype",)
"""What guessers try for every account here."""


def handle_of(fields: Fields) -> str:
    """Return the handle in its normal form."""
    text = fields.text("handle")
    try:
        return normal_handle(text) if text else ""
    except BadHandle as error:
        fields.wrong("handle", str(error))
        return ""


def email_of(fields: Fields) -> EmailAddress:
    """Return the address."""
    text = fields.text("email")
    try:
        return parse_email(text) if text else EmailAddress("", "")
    except BadEmail as error:
        fields.wrong("email", str(error))
        return EmailAddress("", "")


def password_of(fields: Fields, *, about: tuple[str, ...]) -> str:
    """Return a new password in its normal form; `about` is what others know of whoever chose it."""
    text = fields.text("password")
    try:
        return check_password(text, about=(*about, *SITE_WORDS)) if text else ""
    except BadPassword as error:
        fields.wrong("password", str(error))
        return ""


def profile_of(fields: Fields) -> dict[str, Any]:
    """Return the fields of an account that are to change, with their values. What is not named stays, null clears."""
    found: dict[str, Any] = {}
    if "handle" in fields:
        found["handle"] = handle_of(fields)
    for name, most in (("name", MAX_NAME_CHARACTERS), ("bio", MAX_BIO_CHARACTERS)):
        if name in fields:
            found[name] = _text(fields, name, most)
    if "links" in fields:
        found["links"] = _links(fields)
    if "private" in fields:
        found["private"] = fields.flag("private")
    return found


def _text(fields: Fields, name: str, most: int) -> str | None:
    value = fields.given[name]
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        fields.wrong(name, "A text, or null.")
        return None
    if any(_is_hidden(character) for character in value):
        fields.wrong(name, "No control characters, and none that turn the direction of writing.")
    return check_text(name, value, most, fields.errors)


def _is_hidden(character: str) -> bool:
    """Return whether a character writes nothing itself and changes how others look (Unicode UTR 36 §2.10)."""
    return (
        (character < " " and character != "\n")
        or "\x7f" <= character <= "\x9f"
        or "\u202a" <= character <= "\u202e"
        or "\u2066" <= character <= "\u2069"
    )


def _links(fields: Fields) -> tuple[str, ...]:
    value = fields.given["links"]
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_LINKS or not all(isinstance(link, str) for link in value):
        fields.wrong("links", f"A list of at most {MAX_LINKS} addresses, or null.")
        return ()
    if not all(_is_link(link) for link in value):
        fields.wrong("links", f"Addresses that begin with https:// or http://, of {MAX_LINK_CHARACTERS} characters.")
        return ()
    return tuple(value)


def _is_link(text: str) -> bool:
    """Return whether it is an address of the web: a link that runs a script is none (javascript:, data:)."""
    if len(text) > MAX_LINK_CHARACTERS or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
