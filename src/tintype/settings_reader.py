"""Reads plain values, of a file or of a request, one by one, and goes on after each that cannot be used."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")

SHOWN_CHARACTERS: Final = 200
"""Of a bad value that is quoted: who wrote it knows it by its beginning."""


class Complaint(NamedTuple):
    """What is wrong with the value at `path`, such as `kinds.image.max_bytes`."""

    path: str
    sentence: str


class Reader:
    """Reads nested tables, collecting every complaint instead of stopping at the first."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self.complaints: list[Complaint] = []

    def table(self, path: str) -> dict[str, Any]:
        """Return the table of that name."""
        found: dict[str, Any] = self._values[path]
        return found

    def read(self, path: str, convert: Callable[[Any], T], fallback: T) -> T:
        """Return the converted value at `path`, or note why it cannot be and return `fallback`."""
        value: Any = self._values
        for part in path.split("."):
            if part not in value:
                return fallback
            value = value[part]
        try:
            return convert(value)
        except (ValueError, TypeError, KeyError) as error:
            shown = "the value" if _is_secret(path) else repr(value)[:SHOWN_CHARACTERS]
            self.complain(path, f"{shown} {error}.")
            return fallback

    def complain(self, path: str, sentence: str) -> None:
        """Note what is wrong at `path`."""
        self.complaints.append(Complaint(path, sentence))


def _is_secret(path: str) -> bool:
    return path.endswith(("_url", "_key", "_key_old", "_secret")) or path.startswith("encryption.")
