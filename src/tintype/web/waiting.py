"""Waiting for the end of processing without a stream: for as long as `Prefer: wait` says, or by asking again."""

from contextlib import suppress

from tintype.domain.errors import Problem
from tintype.domain.image import Image, State
from tintype.web.images_api import ImagesApi
from tintype.web.preference import Preferences


async def settled(api: ImagesApi, image: Image, preferences: Preferences) -> Image:
    """Return the image once it is processed, at the latest after the time that the client would wait."""
    if preferences.wait_seconds and image.state is State.PROCESSING:
        with suppress(Problem):  # whatever happens while we wait: what we have is an answer
            return (await api.progress.settled(image.ref, preferences.wait_seconds)).image
    return image


def come_again(image: Image) -> dict[str, str]:
    """Return when it is worth asking again: most images are processed within a second (RFC 9110 §10.2.3)."""
    return {"retry-after": "1"} if image.state is State.PROCESSING else {}
