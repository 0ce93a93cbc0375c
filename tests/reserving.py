"""Uploads of several requests, as a client makes them: reserve, send, complete."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from product import Product
from tintype.domain.upload import parse_upload_id

UPLOADS: Final = "/api/v1/uploads"


def reserve(client: httpx.Client, data: bytes, *, method: str = "put", **fields: object) -> dict[str, Any]:
    """Return the JSON of a reservation for these bytes."""
    answer = client.post(UPLOADS, json={"method": method, "size": len(data), **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def send(reserved: Mapping[str, Any], data: bytes, **headers: str) -> httpx.Response:
    """Send the bytes to where the reservation says, with nothing else to show."""
    target = reserved["upload"]
    return httpx.request(target["method"], target["url"], content=data, headers={**target["headers"], **headers})


def send_parts(reserved: Mapping[str, Any], data: bytes) -> list[dict[str, Any]]:
    """Send every part, and return what names them."""
    named, start = [], 0
    for part in reserved["parts"]:
        answer = httpx.put(part["url"], content=data[start : start + part["size"]])
        assert answer.status_code == 200, answer.text
        named.append({"number": part["number"], "etag": answer.headers["etag"]})
        start += part["size"]
    return named


def complete(product: Product, reserved: Mapping[str, Any], **body: object) -> httpx.Response:
    """Complete the upload, with its write token alone."""
    headers = {"upload-token": reserved["write_token"]}
    return product.stranger.post(f"{UPLOADS}/{reserved['id']}/complete", json=body, headers=headers)


def abort(product: Product, reserved: Mapping[str, Any]) -> httpx.Response:
    """Abort the upload, with its write token alone."""
    return product.stranger.delete(f"{UPLOADS}/{reserved['id']}", headers={"upload-token": reserved["write_token"]})


def look(product: Product, reserved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the upload as it stands."""
    answer = product.stranger.get(f"{UPLOADS}/{reserved['id']}", headers={"upload-token": reserved["write_token"]})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def uploaded(product: Product, client: httpx.Client, data: bytes, **fields: str) -> dict[str, Any]:
    """Take the bytes through the whole dance, and return the image as it ended."""
    reserved = reserve(client, data, **fields)
    assert send(reserved, data).status_code == 200
    answer = complete(product, reserved)
    assert answer.status_code == 200, answer.text
    return product.settled(answer.json())


def staged(product: Product) -> set[str]:
    """Return every staged file there is."""
    return product.files("blobs/staging")


def number(reserved: Mapping[str, Any]) -> int:
    """Return the upload's id, as its row has it."""
    return parse_upload_id(reserved["id"])


def sweep(product: Product) -> None:
    """Have a worker sweep now, as it would at the next minute."""
    product.query(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, priority) VALUES ('tintype', 'sweep_uploads', 15)"
    )
