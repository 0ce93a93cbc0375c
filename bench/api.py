"""The few calls of the product's API that measurements need."""

import time
from typing import Any, Final

import httpx

from serving import Served

ANSWER_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02


class Api:
    """Calls with the API key."""

    def __init__(self, server: Served) -> None:
        self._client = httpx.Client(
            base_url=server.base_url, headers={"authorization": f"Bearer {server.key}"}, timeout=ANSWER_SECONDS
        )

    def upload(self, data: bytes, **fields: str) -> dict[str, Any]:
        """Return the JSON of an acknowledged upload. Raises `httpx.HTTPStatusError`."""
        answer = self._client.post("/api/v1/images", files={"file": ("photo", data)}, data=fields)
        return dict(answer.raise_for_status().json())

    def settled(self, image: dict[str, Any]) -> dict[str, Any]:
        """Return the image's JSON once it is processed."""
        while image["state"] == "processing":
            time.sleep(POLL_SECONDS)
            image = dict(self.get(f"/api/v1/images/{image['id']}").json())
        return image

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Return the answer to a GET. Raises `httpx.HTTPStatusError`."""
        answer = self._client.get(path, headers=headers)
        return (
            answer
            if answer.is_redirect or answer.status_code == httpx.codes.NOT_MODIFIED
            else answer.raise_for_status()
        )

    def delete(self, path: str) -> None:
        """Delete what is there. Raises `httpx.HTTPStatusError`."""
        self._client.delete(path).raise_for_status()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
