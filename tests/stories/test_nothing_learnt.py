"""What is somebody else's is answered like what there is not, whatever is asked of it and however badly it is asked."""

import re
import secrets
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

import samples
from product import Product
from signed_in import SignedIn, signed_in
from tintype.domain.ids import base62

API: Final = "/api/v1"

BODIES: Final[dict[str, dict[str, Any]]] = {
    "nothing": {},
    "no JSON": {"content": b"{", "headers": {"content-type": "application/json"}},
    "what there is not": {"json": {"no such field": 1}},
    "what might be right": {
        "json": {"title": "x", "preset": "thumb", "numbers": [1], "parts": [{"number": 1, "etag": "x"}]}
    },
    "a title": {"json": {"title": "x"}, "headers": {"if-match": '"9-9"'}},
    "a size": {"json": {"preset": "no such", "expires_in": -1}},
    "no image": {"content": b"GIF89a?", "headers": {"content-type": "image/gif", "prefer": "return=representation"}},
    "another's token": {"headers": {"upload-token": "ttw_" + "0" * 33}},
}

_CHANGES_BY_ITSELF: Final = {"date", "x-request-id", "content-length", "connection"}
"""`connection`: a body that nobody waited for ends it, or does not, as the bytes came."""


@pytest.fixture(scope="module")
def theirs(product: Product) -> Iterator[dict[str, list[str]]]:
    """Give what an account has that nobody else may know of, by the parameter of a path that names it."""
    with signed_in(product) as anna:
        yield {
            "image_id": [_image(anna, "private"), _image(anna, "followers"), _trashed(anna)],
            "upload_id": [
                _upload(anna, visibility, way) for visibility in ("private", "public") for way in ("put", "multipart")
            ],
            "key_id": [
                str(anna.client.post(f"{API}/keys", json={"name": "x", "scopes": ["images:read"]}).json()["id"])
            ],
            "session_id": [str(anna.client.get(f"{API}/sessions").json()["items"][0]["id"])],
        }


def _image(account: SignedIn, visibility: str) -> str:
    return str(account.upload(samples.jpeg(40, 30, seed=1800), visibility=visibility)["id"])


def _trashed(account: SignedIn) -> str:
    image = str(account.upload(samples.jpeg(40, 30, seed=1801))["id"])
    assert account.client.delete(f"{API}/images/{image}").status_code == 204
    return image


def _upload(account: SignedIn, visibility: str, method: str) -> str:
    wish = {"method": method, "size": 5000, "visibility": visibility}
    return str(account.client.post(f"{API}/uploads", json=wish).json()["id"])


def made_up(name: str) -> str:
    """Return an id of the same kind that nobody drew; of an image, the same one with another secret."""
    prefix, digits = name[:4], name[4:]
    return prefix + (digits[:11] if len(digits) > 11 else "") + base62(secrets.randbits(60))


def answer(client: httpx.Client, method: str, path: str, asked: dict[str, Any]) -> tuple[int, str, frozenset[str]]:
    """Return what somebody learns: status, words without ids, and which headers there are."""
    try:
        found = client.request(method, path, **asked)
    except httpx.RemoteProtocolError:  # the connection was ended behind the answer before
        found = client.request(method, path, **asked)
    words = re.sub(r'"request_id": ?"\w+"', "", found.text)
    return found.status_code, words, frozenset(found.headers) - _CHANGES_BY_ITSELF


def operations(product: Product, parameters: dict[str, list[str]]) -> Iterator[tuple[str, str, str]]:
    """Give method, path and the parameter that names what is somebody's, of every operation that has one."""
    for path, methods in product.stranger.get("/openapi.json").json()["paths"].items():
        named = [name for name in re.findall(r"{(\w+)}", path) if name in parameters]
        if named:
            yield from ((method.upper(), path, named[0]) for method in methods if method != "parameters")


@pytest.mark.parametrize("signed", [True, False], ids=["a member", "a stranger"])
def test_whether_there_is_something_of_somebody_elses_is_not_learnt(
    product: Product, theirs: dict[str, list[str]], *, signed: bool
) -> None:
    tried = 0
    with signed_in(product) as ben:
        client = ben.client if signed else product.stranger
        for method, path, parameter in operations(product, theirs):
            for name in theirs[parameter]:
                for said, asked in BODIES.items():
                    there, not_there = (
                        answer(client, method, re.sub(r"{\w+}", "1", path.replace(f"{{{parameter}}}", each)), asked)
                        for each in (name, made_up(name))
                    )
                    assert there == not_there, (method, path, said, name)
                    tried += 1
    assert tried > 300
