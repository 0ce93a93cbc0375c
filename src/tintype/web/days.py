"""The days that a chart is asked for: `from` and `to`, in UTC, both included."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from tintype.domain.errors import Code, Problem

USUAL_DAYS: Final = 30
MOST_DAYS: Final = 366
"""A year's chart; more is asked for in parts."""


def read_span(first: str | None, last: str | None) -> tuple[date, date]:
    """Return the first and the last day; unless they are said, the thirty days up to today.

    `Problem` request.unreadable for what is no day, and for days in no order or too many.
    """
    to = _day(last, "to") if last else datetime.now(UTC).date()
    since = _day(first, "from") if first else to - timedelta(days=min(USUAL_DAYS - 1, to.toordinal() - 1))
    if not 0 <= (to - since).days < MOST_DAYS:
        raise Problem(Code.REQUEST_UNREADABLE, f"`from` and `to` are in order and span at most {MOST_DAYS} days.")
    return since, to


def _day(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Problem(Code.REQUEST_UNREADABLE, f"`{name}` is a day, such as 2026-11-20.") from error
