"""An image: its formats and its life.

```
processing → ready | rejected | failed | quarantined      failed → processing (retry)
ready → processing (replaced) | quarantined (reported)     quarantined → ready | rejected
rejected → processing (appeal)
every live state → trashed → the state it had             every state but purged → purged (final)
```
"""

from enum import StrEnum


class Format(StrEnum):
    """An image format that Tintype reads or writes, by its sniffed bytes."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"

    @property
    def extension(self) -> str:
        """The extension in URLs and keys, without the dot."""
        return "jpg" if self is Format.JPEG else self.value

    @property
    def media_type(self) -> str:
        """The IANA media type."""
        return f"image/{self.value}"

    @classmethod
    def from_extension(cls, extension: str) -> "Format | None":
        """The format that `extension` (`jpg`, `png` …) names in a URL, or None."""
        return _BY_EXTENSION.get(extension)


_BY_EXTENSION = {member.extension: member for member in Format}


class State(StrEnum):
    """Where an image is in its life."""

    PROCESSING = "processing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    TRASHED = "trashed"
    PURGED = "purged"


LIVE = frozenset({State.PROCESSING, State.READY, State.REJECTED, State.FAILED, State.QUARANTINED})
SERVED = frozenset({State.PROCESSING, State.READY, State.FAILED})

_MOVES: dict[State, frozenset[State]] = {
    State.PROCESSING: frozenset({State.READY, State.REJECTED, State.FAILED, State.QUARANTINED}),
    State.READY: frozenset({State.PROCESSING, State.QUARANTINED}),
    State.REJECTED: frozenset({State.PROCESSING}),
    State.FAILED: frozenset({State.PROCESSING}),
    State.QUARANTINED: frozenset({State.READY, State.REJECTED}),
    State.TRASHED: LIVE,
    State.PURGED: frozenset(),
}


class IllegalMove(Exception):
    """A state change that the life cycle does not know; nothing was changed."""


def move(current: State, to: State) -> State:
    """Return `to` when the life cycle allows the move, else raise `IllegalMove`."""
    if to in _MOVES[current] or (current in LIVE and to is State.TRASHED):
        return to
    if to is State.PURGED and current is not State.PURGED:
        return to
    message = f"an image that is {current} cannot become {to}"
    raise IllegalMove(message)


def sources_of(to: State) -> tuple[State, ...]:
    """Return every state from which `to` may be reached: the WHERE clause of a compare-and-set."""
    return tuple(state for state in State if _allows(state, to))


def _allows(current: State, to: State) -> bool:
    try:
        move(current, to)
    except IllegalMove:
        return False
    return True
