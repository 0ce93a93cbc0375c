"""Waiting until an image is processed: the server holds each answer back for a while (`Prefer: wait`, RFC 7240)."""

from dataclasses import replace
from typing import Final

from tintype_client.core.api import Api, segment, shown_image
from tintype_client.core.effects import Flow, clock, pause
from tintype_client.errors import ImageRejected, NotReady
from tintype_client.models import Image

ASKED_SECONDS: Final = 10
"""How long the server is asked to hold an answer back; it is the most that it does."""

HELD_SECONDS: Final = 1.0
"""An answer that came sooner was not held back, so that asking again at once would be a busy loop."""

LONGEST_PAUSE: Final = 5.0


def look(api: Api, image_id: str, *, token: str | None = None, wait: float = 0) -> Flow[Image]:
    """Return the image as it is now; the answer may be held back until it is processed, for at most `wait` seconds."""
    path, headers = f"/images/{segment(image_id)}", prefer_wait(wait)
    answer = yield from api.call("GET", path, headers=headers, token=token)
    return shown_image(answer)


def prefer_wait(seconds: float) -> dict[str, str]:
    """Return the header that asks to hold the answer back for so long, at most for what the server would."""
    return {"prefer": f"wait={max(1, min(ASKED_SECONDS, int(seconds)))}"} if seconds else {}


def until_ready(api: Api, image: Image, *, limit: float, token: str | None = None) -> Flow[Image]:
    """Return the image once it is processed; `ImageRejected` when that failed, `NotReady` after `limit` seconds.

    What only the first answer told (tokens, whether the bytes were there already) is kept.
    """
    latest = yield from _until_settled(api, image, limit, token)
    shown = replace(
        latest,
        deduplicated=image.deduplicated,
        delete_token=image.delete_token,
        read_token=image.read_token,
    )
    if shown.state in {"rejected", "failed"}:
        raise ImageRejected(shown)
    return shown


def _until_settled(api: Api, image: Image, limit: float, token: str | None) -> Flow[Image]:
    began = asked = yield from clock()
    patience = 0.25
    while not image.settled:
        left = began + limit - asked
        if left <= 0:
            raise NotReady(image, limit)
        image = yield from look(api, image.id, token=token, wait=left)
        now = yield from clock()
        if not image.settled and now - asked < HELD_SECONDS:
            yield from pause(min(patience, left))
            patience = min(2 * patience, LONGEST_PAUSE)
        asked = yield from clock()
    return image
