"""From what a file, a variable or a flag says to a value, or to what is wrong with it.

Each converter raises ValueError or TypeError whose text goes on after the value: "is not a whole number from 1 to 9".
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import parseaddr
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

from croniter import croniter

T = TypeVar("T")
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MIN_SECRET_CHARACTERS: Final = 32
"""128 bits in hexadecimal: every token derives from this key."""


def text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("is not a text")
    return value


def one_of(*words: str) -> Callable[[object], str]:
    """Accept one of these words."""

    def convert(value: object) -> str:
        if value not in words:
            raise ValueError(f"is none of {', '.join(words)}")
        return str(value)

    return convert


def switch(value: object) -> bool:
    """Return what on and off, true and false, 1 and 0 mean."""
    if isinstance(value, bool):
        return value
    words = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}
    if str(value).lower() not in words:
        raise ValueError("is neither on nor off")
    return words[str(value).lower()]


def whole(least: int, most: int) -> Callable[[Any], int]:
    """Accept a whole number within these bounds."""

    def convert(value: Any) -> int:  # noqa: ANN401 -- a value of a file or a variable has no type yet
        wrong = ValueError(f"is not a whole number from {least} to {most}")
        try:
            number = int(str(value))
        except ValueError as error:
            raise wrong from error
        if not least <= number <= most:
            raise wrong
        return number

    return convert


def positive(value: object) -> float:
    """Return a number above 0."""
    try:
        number = float(str(value))
    except ValueError as error:
        raise ValueError("is not a number") from error
    if not 0 < number < float("inf"):
        raise ValueError("is not above 0")
    return number


_UNITS: Final = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def size(value: object) -> int:
    """Return bytes; MB is 10⁶, MiB is 2²⁰."""
    match = re.fullmatch(r"(\d{1,15}) ?([a-zA-Z]*)", str(value))
    if match is None or match[2] not in _UNITS or int(match[1]) == 0:
        raise ValueError("is not a size such as 10MB or 8MiB")
    return int(match[1]) * _UNITS[match[2]]


_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def duration(value: object) -> timedelta | None:
    """Return a span of time; None when it is empty."""
    if value in {"", None}:
        return None
    match = re.fullmatch(r"(\d{1,5}) ?([smhd])", str(value))
    if match is None or int(match[1]) == 0:
        raise ValueError("is not a time such as 90s, 15m, 12h or 30d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def at_least(least: timedelta) -> Callable[[object], timedelta]:
    """Accept a span of time that is not shorter."""

    def convert(value: object) -> timedelta:
        span = duration(value)
        if span is None or span < least:
            raise ValueError(f"is less than {least.days} days" if least.days else "is not a time such as 90s or 30d")
        return span

    return convert


def cron(value: object) -> str | None:
    """Return a cron expression of five fields, or None for `off`."""
    if value in {"off", False, ""}:
        return None
    if not isinstance(value, str) or len(value.split()) != 5 or not croniter.is_valid(value):
        raise ValueError('is neither off nor five fields of cron such as "30 3 * * *"')
    return value


def amount(value: object) -> float:
    """Return a number, 0 or above."""
    return 0.0 if str(value) == "0" else positive(value)


def or_nothing(convert: Callable[[Any], int]) -> Callable[[Any], int]:
    """Accept 0, which is nothing, beside what `convert` accepts."""

    def convert_or_nothing(value: Any) -> int:  # noqa: ANN401 -- a value of a file or a variable has no type yet
        return 0 if str(value) == "0" else convert(value)

    return convert_or_nothing


def networks(value: object) -> tuple[Network, ...]:
    """Return the networks of a list; a single address is one."""
    return list_of(_network)(value) if value else ()


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(str(value))
    except ValueError:
        raise ValueError("names something else than addresses and networks such as 10.0.0.0/8") from None


def pixels(value: object) -> int:
    """Return a number of pixels; MP is a million."""
    match = re.fullmatch(r"(\d{1,12})(MP)?", str(value))
    if match is None or int(match[1]) == 0:
        raise ValueError("is not a number of pixels such as 50MP")
    return int(match[1]) * (1_000_000 if match[2] else 1)


def list_of(convert: Callable[[Any], T]) -> Callable[[object], tuple[T, ...]]:
    """Accept a list, or a text with commas, of what `convert` accepts."""

    def convert_all(value: object) -> tuple[T, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            raise TypeError("is not a list")
        return tuple(convert(item.strip() if isinstance(item, str) else item) for item in items)

    return convert_all


def some_of(convert: Callable[[Any], T]) -> Callable[[object], tuple[T, ...]]:
    """Accept what `list_of` accepts, unless nothing is in it."""
    convert_list = list_of(convert)

    def convert_all(value: object) -> tuple[T, ...]:
        items = convert_list(value)
        if not items:
            raise ValueError("is empty")
        return items

    return convert_all


def key_of(table: Mapping[str, object]) -> Callable[[Any], str]:
    """Accept a name that the table has."""

    def convert(value: object) -> str:
        if value not in table:
            raise ValueError(f"names {value!r}, which is not among {', '.join(table)}")
        return str(value)

    return convert


def _optional_url(*schemes: str) -> Callable[[object], str | None]:
    def convert(value: object) -> str | None:
        if not value:
            return None
        wrong = ValueError(f"is not a URL that begins with {' or '.join(f'{scheme}:' for scheme in schemes)}")
        try:
            scheme = urlsplit(str(value)).scheme
        except ValueError:  # whose text quotes the URL, password and all
            raise wrong from None
        if scheme not in schemes:
            raise wrong
        return str(value)

    return convert


postgres_url: Final = _optional_url("postgresql", "postgres")


def http_url(value: object) -> str | None:
    """Return the URL without a slash at its end, or None when it is empty."""
    url = _optional_url("http", "https")(value)
    return url.rstrip("/") if url else None


def smtp_url(value: object) -> str | None:
    """Return the URL of a mail server, or None when it is empty."""
    url = _optional_url("smtp", "smtps")(value)
    if url is None:
        return None
    wrong = ValueError("is not the URL of a mail server such as smtps://user:password@mail.example.org:465")
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.port != 0 and parts.path in {"", "/"} and not parts.query
    except ValueError:
        raise wrong from None
    if not sound:
        raise wrong
    return url


def mail_sender(value: object) -> str | None:
    """Return whom mails come from, an address alone or behind a name; None when it is empty."""
    if not value:
        return None
    _name, address = parseaddr(str(value))
    if "@" not in address or not str(value).isprintable():
        raise ValueError("is not an address such as Tintype <tintype@example.org>")
    return str(value)


def secret(value: object) -> str | None:
    """Return the secret, or None when it is empty."""
    if value and len(str(value)) < MIN_SECRET_CHARACTERS:
        raise ValueError(f"is shorter than {MIN_SECRET_CHARACTERS} characters")
    return str(value) if value else None


def old_secrets(value: object) -> tuple[str, ...]:
    """Return the secrets of a list, or of a text with commas."""
    return tuple(found for found in list_of(secret)(value) if found is not None) if value else ()
