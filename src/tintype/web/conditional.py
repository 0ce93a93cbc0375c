"""Conditional and range requests (RFC 9110 §13, §14), as pure functions over header values."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` to `end`, both included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.end - self.start + 1


class Unsatisfiable(ValueError):
    """The range is malformed, more than one, or beyond the end: 416."""


def is_not_modified(*, if_none_match: str | None, if_modified_since: str | None, etag: str, modified: datetime) -> bool:
    """Return whether 304 is the answer. `If-None-Match` decides alone when it is there (RFC 9110 §13.2.2)."""
    if if_none_match is not None:
        return names(if_none_match, etag)
    if if_modified_since is None:
        return False
    since = _date(if_modified_since)
    return since is not None and modified.replace(microsecond=0) <= since


def parse_if_match(value: str | None) -> frozenset[str] | None:
    """Return the strong tags that `If-Match` names, or None when any state will do (RFC 9110 §13.1.1)."""
    if value is None or value.strip() == "*":
        return None
    return frozenset(tag.strip() for tag in value.split(",") if not tag.strip().startswith("W/"))


def range_applies(if_range: str | None, *, etag: str, modified: datetime) -> bool:
    """Return whether `Range` counts: without `If-Range`, or when that names exactly what we have (RFC 9110 §13.1.5)."""
    if if_range is None:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == etag  # weak tags never match here
    return _date(if_range) == modified.replace(microsecond=0)


def parse_range(value: str, size: int) -> ByteRange | None:
    """Return the one range that `value` asks of `size` bytes; None for a unit that is not bytes.

    `Unsatisfiable` for several ranges (CVE-2026-33658: they cost more than they are worth), for nonsense, and for a
    range beyond the end.
    """
    unit, separator, spec = value.partition("=")
    if not separator or unit.strip().lower() != "bytes":
        return None
    first, dash, last = spec.strip().partition("-")
    if not dash or not all(re.fullmatch(r"[0-9]{0,18}", part) for part in (first, last)):
        raise Unsatisfiable(value)
    if not first:
        return _suffix(last, size)
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start > end or (last and int(last) < start):
        raise Unsatisfiable(value)
    return ByteRange(start, end)


def _suffix(last: str, size: int) -> ByteRange:
    if not last or int(last) == 0 or size == 0:
        raise Unsatisfiable("an empty suffix")
    return ByteRange(max(0, size - int(last)), size - 1)


def names(if_none_match: str | None, etag: str) -> bool:
    """Return whether `If-None-Match` names what we have: the client has it already (RFC 9110 §13.1.2)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError):  # OverflowError: a year, or an offset, of twenty digits
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
