"""The answer to an upload: an image with its tokens, for the first time or once more."""

from typing import Final

import msgspec

from tintype.domain.image import Image
from tintype.domain.tokens import Token
from tintype.usecases.upload_image import Accepted, Repeated
from tintype.web.idempotency import REPLAYED
from tintype.web.image_json import ImageJson, present_image
from tintype.web.images_api import UNSHARED

REPEATED_HEADERS: Final = {"etag": '"1-1"', **REPLAYED, **UNSHARED}
"""The ETag is the one that every image has when it is made, which is when its answer was kept."""


def show_accepted(accepted: Accepted, image: Image, base_url: str) -> ImageJson:
    """Return what the sender sees; `image` is the accepted one as it is by now."""
    return _with_tokens(_present(accepted, image, base_url), accepted.write_token, accepted.read_token)


def show_repeated(repeated: Repeated) -> ImageJson:
    """Return what was kept of the first answer, with the tokens derived anew."""
    kept = msgspec.json.decode(repeated.answer, type=ImageJson)
    return _with_tokens(kept, repeated.write_token, repeated.read_token)


def write_down(accepted: Accepted, base_url: str) -> str:
    """Return the answer as it is kept: whoever reads it in the database finds no token."""
    return msgspec.json.encode(_present(accepted, accepted.image, base_url)).decode()


def _present(accepted: Accepted, image: Image, base_url: str) -> ImageJson:
    return present_image(image, base_url, owner=image.uploader is not None, deduplicated=accepted.deduplicated)


def _with_tokens(shown: ImageJson, write_token: Token | None, read_token: Token | None) -> ImageJson:
    if write_token is not None:
        shown.delete_token = write_token.reveal()
    if read_token is not None:
        shown.read_token = read_token.reveal()
    return shown
