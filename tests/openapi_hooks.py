"""What schemathesis is told beside the document: pictures to upload, and images that are there (`test_openapi.py`).

Loaded by schemathesis itself, by the name in SCHEMATHESIS_HOOKS; the ids come in TINTYPE_IMAGES.
"""

import os
import zlib
from typing import Any, Final

import schemathesis
from hypothesis import strategies as st

import samples

_IMAGES: Final = os.environ["TINTYPE_IMAGES"].split(",")
_BYTES: Final = {
    "image/jpeg": samples.jpeg(16, 12, seed=1),
    "image/png": samples.png(16, 12, seed=1),
    "image/gif": samples.gif(16, 12),
    "image/webp": samples.webp(16, 12),
}

for _media_type, _sound in _BYTES.items():
    schemathesis.openapi.media_type(_media_type, st.just(_sound) | st.binary(max_size=40).map(_sound[:-20].__add__))


@schemathesis.hook
def map_path_parameters(_context: schemathesis.HookContext, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """Put the id of an image that is there in the place of most ids, always the same for one that was generated."""
    if path_parameters and "image_id" in path_parameters:
        drawn = zlib.crc32(repr(path_parameters["image_id"]).encode())
        if drawn % 4:
            path_parameters["image_id"] = _IMAGES[drawn % len(_IMAGES)]
    return path_parameters


@schemathesis.hook
def map_query(_context: schemathesis.HookContext, query: dict[str, Any]) -> dict[str, Any]:
    """Put a size that there is in the place of some sizes."""
    if query and isinstance(query.get("size"), str):
        query["size"] = ("thumb", "original", query["size"])[zlib.crc32(query["size"].encode()) % 3]
    return query


@schemathesis.hook
def map_body(_context: schemathesis.HookContext, body: Any) -> Any:  # noqa: ANN401 -- of whatever type was generated
    """Put a picture in the place of most files of forms, and nobody's server in that of every URL."""
    if isinstance(body, dict) and isinstance(body.get("source_url"), str):
        body["source_url"] = f"http://127.0.0.1/{zlib.crc32(body['source_url'].encode())}"
    if isinstance(body, dict) and isinstance(body.get("url"), str):
        body["url"] = "http://127.0.0.1/" if zlib.crc32(body["url"].encode()) % 2 else "http://nobody.invalid/"
    if isinstance(body, dict) and isinstance(body.get("file"), bytes | str):
        drawn = zlib.crc32(repr(body).encode())
        if drawn % 3:
            body["file"] = list(_BYTES.values())[drawn % len(_BYTES)]
    return body
