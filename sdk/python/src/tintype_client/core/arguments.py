"""Arguments as callers write them, and as the core wants them."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from tintype_client.models import Image

READY_SECONDS: Final = 120.0
"""How long `wait=True` waits: most images are ready within a second, and a long queue passes in a minute."""

ImageOrId = Image | str
"""An image, or its id. An image that was uploaded without a credential brings its token."""


def id_of(image: ImageOrId) -> str:
    """Return the id."""
    return image if isinstance(image, str) else image.id


def token_of(image: ImageOrId, token: str | None) -> str | None:
    """Return the token that was given, else the image's own."""
    return token or (None if isinstance(image, str) else image.delete_token)


def refuse_unknown(given: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise `TypeError` for a keyword that there is not: it would be ignored, and it might be `visibility`."""
    for name in given:
        if name not in known:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(sorted(known))}")


def seconds(wait: bool | float) -> float:  # noqa: FBT001 -- either, as the caller wrote it
    """Return how long to wait."""
    if isinstance(wait, bool):
        return READY_SECONDS if wait else 0.0
    return max(0.0, wait)


def new_key() -> str:
    """Return an Idempotency-Key that nobody used."""
    return str(uuid.uuid4())
