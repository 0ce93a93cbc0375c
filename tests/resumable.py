"""Resumable uploads spelt out: what a tus client sends, and connections that break where a test wants them to."""

import base64
import io
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

import samples
from product import Product, eventually
from raw_http import RawConnection, connect

TUS: Final = "/api/v1/tus"
VERSION: Final = {"tus-resumable": "1.0.0"}
BYTES: Final = {**VERSION, "content-type": "application/offset+octet-stream"}


def photo(width: int, height: int, *, seed: int) -> bytes:
    """Return a JPEG of about one byte for each pixel."""
    file = io.BytesIO()
    samples.noise(width, height, seed=seed).save(file, "JPEG", quality=75)
    return file.getvalue()


def stored_png(width: int, height: int, *, seed: int) -> bytes:
    """Return a PNG of three bytes for each pixel."""
    file = io.BytesIO()
    samples.noise(width, height, seed=seed).save(file, "PNG", compress_level=0)
    return file.getvalue()


def metadata(**fields: str) -> dict[str, str]:
    """Return the header that says this of a file."""
    said = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())
    return {"upload-metadata": said} if said else {}


def begin(client: httpx.Client, length: int | None, headers: Mapping[str, str] | None = None, **fields: str) -> str:
    """Return the path of a new upload of so many bytes; None leaves that open."""
    size = {"upload-defer-length": "1"} if length is None else {"upload-length": str(length)}
    answer = client.post(TUS, headers={**VERSION, **size, **metadata(**fields), **(headers or {})})
    assert answer.status_code == 201, answer.text
    return urlsplit(answer.headers["location"]).path


def send(
    client: httpx.Client, path: str, offset: int, data: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Return the answer to a PATCH."""
    return client.patch(path, content=data, headers={**BYTES, "upload-offset": str(offset), **(headers or {})})


def offset_of(client: httpx.Client, path: str) -> int:
    """Return where the upload stands."""
    answer = client.head(path, headers=VERSION)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["upload-offset"])


def patch_head(path: str, offset: int, length: int) -> bytes:
    """Return the head of a PATCH that announces so many bytes."""
    lines = [
        *(f"PATCH {path} HTTP/1.1", "Host: 127.0.0.1", "Tus-Resumable: 1.0.0"),
        *("Content-Type: application/offset+octet-stream", f"Upload-Offset: {offset}", f"Content-Length: {length}"),
        *("", ""),
    ]
    return "\r\n".join(lines).encode()


def send_and_break_off(product: Product, path: str, offset: int, announced: int, data: bytes) -> None:
    """Send a PATCH of which only `data` comes, and close the connection."""
    with connect(product.base_url) as connection:
        begin_patch(connection, path, offset, announced, data)


def begin_patch(connection: RawConnection, path: str, offset: int, announced: int, data: bytes) -> None:
    """Begin a PATCH on a connection that stays as it is."""
    connection.send(patch_head(path, offset, announced))
    connection.send(data)


def committed(product: Product, image_id: str) -> dict[str, Any]:
    """Return the image once it was made of the upload."""
    last: dict[str, Any] = {}

    def is_there() -> bool:
        answer = product.client.get(f"/api/v1/images/{image_id}")
        last.clear()
        last.update(answer.json())
        return answer.status_code == 200 and last["state"] in {"ready", "rejected"}

    assert eventually(is_there, within=30), last
    return last
