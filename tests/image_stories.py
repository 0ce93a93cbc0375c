"""What can be done to an image, as stories for `walk`: do it, and judge what a killed process has left.

What was answered must be so. What was not answered is as it was or done, never half; and asking again, as a client
would, does it. Everything is noted in a ledger, for the audit at the end.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

import samples
from killing import WORKER, is_running, pids
from product import PROCESSED_SECONDS, Product, eventually
from tintype.domain.ids import ImageRef
from uploading import PURGED, Ledger
from walking import Answer, Story

Image = dict[str, Any]

SOON_SECONDS: Final = 2.0
"""How long a complaint is given to turn out wrong: a build that answers too early must be caught by what a kill makes
of that, not by a look that came a moment too soon."""


@dataclass(frozen=True)
class Change:
    """A request about an image, and what everything of the image answers to a stranger before and after it."""

    name: str
    method: str
    suffix: str
    before: int
    after: int


@dataclass(frozen=True)
class Replacement:
    """An image, its bytes, and those that it shall have."""

    image: Image
    old: bytes
    new: bytes


TRASH: Final = Change("trash", "DELETE", "", 200, 404)
RESTORE: Final = Change("restore", "POST", "/restore", 404, 200)
PURGE: Final = Change("purge", "DELETE", "?purge=true", 200, 410)


def sha256(data: bytes) -> str:
    """Return the digest, as the API spells it."""
    return hashlib.sha256(data).hexdigest()


class ImageStories:
    """The stories on one product, and what their clients were told."""

    def __init__(self, product: Product, ledger: Ledger) -> None:
        self.product = product
        self.ledger = ledger

    def has_sent(self) -> str | None:
        """Upload, and return the id of the image if it was acknowledged."""
        answer = self._send(self._photo())
        return str(answer.json()["id"]) if answer.is_success else None

    def has_purged(self) -> bool:
        """Purge some image and return whether that was acknowledged."""
        return bool(self.ledger.kept()) and self._ask(PURGE, self.ledger.kept()[-1].answer).is_success

    def upload(self) -> Story[bytes]:
        """Give the story of a new image."""
        return Story("upload", self._photo, self._send, self._judge_upload)

    def trash(self) -> Story[Image]:
        """Give the story of an image that goes into the trash; it is taken out again afterwards."""
        return self._story(TRASH, prepare=self._ready)

    def restore(self) -> Story[Image]:
        """Give the story of an image that is taken out of the trash."""

        def in_the_trash() -> Image:
            image = self._ready()
            self._ask(TRASH, image)
            return image

        return self._story(RESTORE, prepare=in_the_trash)

    def purge(self) -> Story[Image]:
        """Give the story of a delete for good."""
        return self._story(PURGE, prepare=self._ready)

    def process(self) -> Story[bytes]:
        """Give the story of the job that an upload enqueues; it is for walks of the worker."""
        return Story("process", self._photo, self._send_and_wait, self._judge_process)

    def replace(self) -> Story[Replacement]:
        """Give the story of other bytes for an image."""
        return Story("replace", self._to_replace, self._put, self._judge_replace)

    # An upload

    def _photo(self) -> bytes:
        """Return bytes that nobody has sent yet."""
        return samples.jpeg(160, 120, seed=secrets.randbits(48))

    def _send(self, data: bytes) -> httpx.Response:
        self.ledger.count_sent(sha256(data))
        answer = self.product.client.post("/api/v1/images", files={"file": ("photo.jpg", data)})
        self.ledger.note_upload(sha256(data), answer)
        return answer

    def _judge_upload(self, data: bytes, answer: Answer) -> list[str]:
        if answer is not None:
            return self._differences(answer.json()["id"], data) if answer.status_code == 201 else [answer.text]
        left = [says for image in self._unanswered(data) for says in self._differences(image, data)]
        torn = [f"{path} is torn" for path in self._named(data) if path.read_bytes() != data]
        return left + torn + self._judge_upload(data, self._send(data))

    def _unanswered(self, data: bytes) -> list[str]:
        """Return the public ids of images with these bytes."""
        rows = self.product.query("SELECT id, secret FROM images WHERE source_sha256 = %s", bytes.fromhex(sha256(data)))
        return [str(ImageRef(number, int.from_bytes(secret, "big"))) for number, secret in rows]

    def _named(self, data: bytes) -> list[Path]:
        """Return the files that claim to be these bytes."""
        return list((self.product.data / "blobs").glob(f"*/original/*/*/{sha256(data)}"))

    def _differences(self, image: str, data: bytes) -> list[str]:
        """Return what is wrong with an image that should be there with these bytes."""
        eventually(lambda: not self._differences_now(image, data), within=SOON_SECONDS)
        return self._differences_now(image, data)

    def _differences_now(self, image: str, data: bytes) -> list[str]:
        shown = self.product.client.get(f"/api/v1/images/{image}")
        if shown.status_code != httpx.codes.OK:
            return [f"{image}: its metadata answers {shown.status_code}"]
        original = self.product.stranger.get(shown.json()["url"])
        if original.content != data or shown.json()["sha256"] != sha256(data):
            return [f"{image}: its original answers {original.status_code}, other bytes than were sent"]
        return []

    # A job

    def _send_and_wait(self, data: bytes) -> httpx.Response:
        """Upload, and wait until the image is processed or the worker is dead."""
        workers = pids(self.product, WORKER)
        answer = self._send(data)
        image = answer.json()["id"]
        assert eventually(
            lambda: not all(map(is_running, workers)) or self._state(image) != "processing",
            within=PROCESSED_SECONDS,
        )
        return answer

    def _state(self, image: str) -> str:
        return str(self.product.client.get(f"/api/v1/images/{image}").json().get("state", "processing"))

    def _judge_process(self, data: bytes, answer: Answer) -> list[str]:
        """What is recorded is there, at every moment; and in the end everything is, whoever takes over."""
        assert answer is not None
        complaints = self._recorded_and_missing(data)
        state = self.product.settled(answer.json())["state"]
        return complaints + self._recorded_and_missing(data) + ([] if state == "ready" else [f"it is {state}"])

    def _recorded_and_missing(self, data: bytes) -> list[str]:
        rows = self.product.query(
            "SELECT encode(file_sha256, 'hex') FROM variants WHERE sha256 = %s", bytes.fromhex(sha256(data))
        )
        files = (self.product.data / "blobs").rglob(f"{sha256(data)}-*")
        made = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        ((state,),) = self.product.query("SELECT state FROM images WHERE sha256 = %s", bytes.fromhex(sha256(data)))
        lacking = {row[0] for row in rows} - made
        if state == "ready" and not rows:
            return [f"{sha256(data)} is ready and has no variants"]
        return [f"variant {name} is recorded and not there" for name in lacking]

    # A replacement

    def _to_replace(self) -> Replacement:
        old = self._photo()
        return Replacement(self.product.settled(self._send(old).json()), old, self._photo())

    def _put(self, subject: Replacement) -> httpx.Response:
        source, image = sha256(subject.new), subject.image["id"]
        self.ledger.doubt(image, source)
        self.ledger.count_sent(source, new=False)
        files = {"file": ("photo.jpg", subject.new)}
        answer = self.product.client.put(f"/api/v1/images/{image}/content", files=files)
        self.ledger.note_replacement(source, answer)
        return answer

    def _judge_replace(self, subject: Replacement, answer: Answer) -> list[str]:
        """The old version or the new one, with its bytes; and an address of the old one never shows anything else."""
        image = subject.image["id"]
        if answer is not None and not answer.is_success:
            return [f"{image}: {answer.text}"]
        version = self.product.client.get(f"/api/v1/images/{image}").json()["version"]
        if answer is None and version == subject.image["version"]:
            return self._differences(image, subject.old) or self._judge_replace(subject, self._put(subject))
        complaints = self._differences(image, subject.new)
        former = self.product.stranger.get(subject.image["url"], follow_redirects=True)
        if version != subject.image["version"] + 1 or former.content != subject.new:
            complaints.append(f"{image}: version {version}, its former address answers {former.status_code}")
        return complaints

    # A change

    def _ready(self) -> Image:
        return self.product.settled(self._send(self._photo()).json())

    def _story(self, change: Change, *, prepare: Callable[[], Image]) -> Story[Image]:
        return Story(
            change.name,
            prepare,
            lambda image: self._ask(change, image),
            lambda image, answer: self._judge_change(change, image, answer),
        )

    def _ask(self, change: Change, image: Image) -> httpx.Response:
        if change is PURGE:
            self.ledger.doubt(image["id"], PURGED)
        answer = self.product.client.request(change.method, f"/api/v1/images/{image['id']}{change.suffix}")
        if change is PURGE:
            self.ledger.note_deletion(image["id"], answer)
        return answer

    def _judge_change(self, change: Change, image: Image, answer: Answer) -> list[str]:
        urls = (image["url"], *image["thumbnails"].values(), f"/api/v1/images/{image['id']}")
        found = {self.product.stranger.get(url).status_code for url in urls}
        if answer is not None and not (answer.is_success and found == {change.after}):
            return [f"{image['id']}: answered {answer.status_code}, and then {found}"]
        if found not in ({change.before}, {change.after}):
            return [f"{image['id']}: half done, {found}"]
        if found == {change.before}:
            again = self._ask(change, image)
            if not again.is_success:
                return [f"{image['id']}: asked again, {again.status_code}"]
            return self._judge_change(change, image, again)
        if change is TRASH:
            return self._judge_change(RESTORE, image, self._ask(RESTORE, image))
        return []
