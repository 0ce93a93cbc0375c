"""ShareX's file in the documentation describes a request (getsharex.com/docs/custom-uploader): here it is made."""

import json
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

import samples
from product import Product

UPLOADER: Final = json.loads((Path(__file__).parents[2] / "docs" / "tintype.sxcu").read_text())


def sent(product: Product, file: bytes) -> httpx.Response:
    """Return the answer to what ShareX would send, to this server and with this key."""
    assert UPLOADER["Body"] == "MultipartFormData"
    headers = {name: value.replace("ttk_YOUR_API_KEY", product.api_key) for name, value in UPLOADER["Headers"].items()}
    return product.stranger.request(
        UPLOADER["RequestMethod"],
        urlsplit(UPLOADER["RequestURL"]).path,
        headers=headers,
        data={name: value.replace("{filename}", "Screenshot.png") for name, value in UPLOADER["Arguments"].items()},
        files={UPLOADER["FileFormName"]: ("Screenshot.png", file)},
    )


def understood(what: str, answer: httpx.Response) -> str:
    """Return the text that ShareX takes from the answer for this purpose."""
    path = re.fullmatch(r"\{json:([\w.]+)\}", UPLOADER[what])
    assert path is not None
    value: Any = answer.json()
    for name in path[1].split("."):
        value = value[name]
    return str(value)


def test_the_file_for_sharex_uploads_and_leads_to_the_picture_and_its_thumbnail(product: Product) -> None:
    answer = sent(product, samples.png(seed=40))
    assert answer.status_code == 201, answer.text
    assert (answer.json()["visibility"], answer.json()["title"]) == ("unlisted", "Screenshot.png")
    for what in ("URL", "ThumbnailURL"):
        shown = product.stranger.get(understood(what, answer), follow_redirects=True)
        assert (shown.status_code, shown.headers["content-type"].partition("/")[0]) == (200, "image")


def test_sharex_shows_why_a_file_is_refused(product: Product) -> None:
    answer = sent(product, b"no picture")
    assert answer.status_code == 415
    assert understood("ErrorMessage", answer) == answer.json()["detail"]
