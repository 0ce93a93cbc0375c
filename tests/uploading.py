"""Clients that upload, replace and delete while everything breaks, and a ledger of what they were told.

What was answered with success is a promise of the server's; what was not answered may have happened or not. The
ledger keeps the two apart, and `audit.py` holds the server to it.
"""

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

import samples

SIZES: Final = ((320, 240), (640, 480), (1600, 1200), (2400, 1800))
"""Pixels; files of 5 to 200 kB, so that processors, not bytes, are what the product lacks."""

AGAIN: Final = 0.2
"""Share of the uploads that send a file which was sent before."""

LOOK: Final = 0.5
"""How often a client looks at what it has just uploaded: its metadata, and a thumbnail that may not be made yet."""

CHANGE: Final = 0.12
"""How many images are purged for each that is uploaded; how many get other bytes; how many go into the trash."""

AGAIN_WANTED: Final = 0.5
"""How many of those come out of it again."""

PAUSE_SECONDS: Final = 0.2
"""The longest a client waits after an answer: four of them upload about as much as one slow core renders."""

ANSWER_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Acknowledged:
    """An image of which a client was told that it is safe; `source` is the SHA-256 of what was sent."""

    source: str
    answer: dict[str, Any]

    @property
    def id(self) -> str:
        """The public id."""
        return str(self.answer["id"])

    @property
    def sha256(self) -> str:
        """What the answer says of the stored bytes."""
        return str(self.answer["sha256"])


PURGED: Final = "purged"
TRASHED: Final = "trashed"


@dataclass
class Ledger:
    """What the clients asked for and what they were told; safe for many threads."""

    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    """Every image of which somebody was told, as it was told last."""
    deleted: set[str] = field(default_factory=set)
    """Ids whose purge was answered with 204."""
    trashed: set[str] = field(default_factory=set)
    """Ids that went into the trash, as was answered."""
    doubtful: dict[str, set[str]] = field(default_factory=dict)
    """Ids of which something was asked that was never answered, with all that may be true of them: the SHA-256 of what
    was sent, `PURGED`, `TRASHED`."""
    sent: Counter[str] = field(default_factory=Counter)
    """How often each source was sent, answered or not."""
    uploads: int = 0
    """How many of them were to be new images."""
    answered: Counter[str] = field(default_factory=Counter)
    """How often each source was acknowledged."""
    stored: dict[str, str] = field(default_factory=dict)
    """What the bytes of a source are stored as: SHA-256 → SHA-256."""
    answers: Counter[str] = field(default_factory=Counter)
    """Statuses, and the names of the exceptions of connections that broke."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: list[bytes] = []

    def source(self, dice: random.Random) -> bytes:
        """Return a JPEG to send: a new one, or one that somebody has sent before."""
        with self._lock:
            if self._sources and dice.random() < AGAIN:
                return dice.choice(self._sources)
        data = samples.jpeg(*dice.choice(SIZES), seed=dice.getrandbits(48))
        with self._lock:
            self._sources.append(data)
        return data

    def choose(self, dice: random.Random) -> str | None:
        """Return the id of an image that is there and that nobody else changes, or None."""
        with self._lock:
            left = sorted(self.acknowledged.keys() - self.deleted - self.trashed - self.doubtful.keys())
            chosen = dice.choice(left) if left else None
            if chosen is not None:
                self.doubtful[chosen] = {self.acknowledged[chosen].source}
            return chosen

    def doubt(self, image_id: str, may_be: str) -> None:
        """Take note that something is about to be asked of an image, which it then may be."""
        with self._lock:
            self.doubtful.setdefault(image_id, {self.acknowledged[image_id].source}).add(may_be)

    def count_sent(self, source: str, *, new: bool = True) -> None:
        """Count a source that is about to be sent."""
        with self._lock:
            self.sent[source] += 1
            self.uploads += new

    def note_upload(self, source: str, answer: httpx.Response | None) -> None:
        """Take note of an upload; None when it was not answered."""
        with self._lock:
            if answer is not None and answer.status_code == httpx.codes.CREATED:
                self._acknowledge(source, answer)

    def note_replacement(self, source: str, answer: httpx.Response | None) -> None:
        """Take note of new bytes for an image; None when it was not answered."""
        with self._lock:
            if answer is not None and answer.status_code == httpx.codes.OK:
                self.doubtful.pop(self._acknowledge(source, answer), None)

    def note_deletion(self, image_id: str, answer: httpx.Response | None) -> None:
        """Take note of a purge; None when it was not answered."""
        with self._lock:
            if answer is not None and answer.status_code == httpx.codes.NO_CONTENT:
                self.deleted.add(image_id)
                self.doubtful.pop(image_id, None)

    def note_trash(self, image_id: str, answer: httpx.Response | None) -> None:
        """Take note of a delete that can be undone; None when it was not answered."""
        with self._lock:
            if answer is not None and answer.status_code == httpx.codes.NO_CONTENT:
                self.trashed.add(image_id)
                self.doubtful.pop(image_id, None)

    def note_restore(self, image_id: str, answer: httpx.Response | None) -> None:
        """Take note of what is taken out of the trash; None when it was not answered."""
        with self._lock:
            if answer is not None and answer.status_code == httpx.codes.OK:
                self.trashed.discard(image_id)
                self.doubtful.pop(image_id, None)

    def _acknowledge(self, source: str, answer: httpx.Response) -> str:
        shown = Acknowledged(source, answer.json())
        self.acknowledged[shown.id] = shown
        self.answered[source] += 1
        self.stored[source] = shown.sha256
        return shown.id

    def count(self, what: str) -> None:
        """Count an answer or a broken connection."""
        with self._lock:
            self.answers[what] += 1

    def kept(self) -> list[Acknowledged]:
        """Return every image that is there as it was acknowledged last, without any doubt."""
        gone = self.deleted | self.trashed | self.doubtful.keys()
        return [image for name, image in self.acknowledged.items() if name not in gone]

    def wholly_deleted(self) -> set[str]:
        """Return the SHA-256 of stored bytes that no image can have any more, as far as the clients know."""
        alive = {image.source for name, image in self.acknowledged.items() if name not in self.deleted}
        possible = set[str]().union(*self.doubtful.values())
        return {
            sha256
            for source, sha256 in self.stored.items()
            if source not in alive | possible and self.answered[source] == self.sent[source]
        }


@contextmanager
def uploading(base_url: str, api_key: str, *, clients: int, seed: int, ledger: Ledger) -> Iterator[None]:
    """Have so many clients upload, look, replace and delete during the block; what they do depends on `seed` alone."""
    stop = threading.Event()
    headers = {"authorization": f"Bearer {api_key}"}

    def use(number: int) -> None:
        dice = random.Random(seed * 1000 + number)
        with httpx.Client(base_url=base_url, headers=headers, timeout=ANSWER_SECONDS) as client:
            while not stop.is_set():
                _upload(client, dice, ledger)
                for change in (_purge, _replace, _trash):
                    image_id = ledger.choose(dice) if dice.random() < CHANGE else None
                    if image_id is not None:
                        change(client, dice, ledger, image_id)
                stop.wait(dice.random() * PAUSE_SECONDS)

    threads = [threading.Thread(target=use, args=[number]) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(2 * ANSWER_SECONDS)


def _upload(client: httpx.Client, dice: random.Random, ledger: Ledger) -> None:
    data = ledger.source(dice)
    source = hashlib.sha256(data).hexdigest()
    ledger.count_sent(source)
    answer = _ask(client, ledger, "POST", "/api/v1/images", files={"file": ("photo.jpg", data)})
    ledger.note_upload(source, answer)
    if answer is not None and answer.status_code == httpx.codes.CREATED and dice.random() < LOOK:
        _ask(client, ledger, "GET", f"/api/v1/images/{answer.json()['id']}")
        _ask(client, ledger, "GET", dice.choice(list(answer.json()["thumbnails"].values())))


def _purge(client: httpx.Client, _dice: random.Random, ledger: Ledger, image_id: str) -> None:
    ledger.doubt(image_id, PURGED)
    ledger.note_deletion(image_id, _ask(client, ledger, "DELETE", f"/api/v1/images/{image_id}?purge=true"))


def _replace(client: httpx.Client, dice: random.Random, ledger: Ledger, image_id: str) -> None:
    data = ledger.source(dice)
    source = hashlib.sha256(data).hexdigest()
    ledger.doubt(image_id, source)
    ledger.count_sent(source, new=False)
    files = {"file": ("photo.jpg", data)}
    ledger.note_replacement(source, _ask(client, ledger, "PUT", f"/api/v1/images/{image_id}/content", files=files))


def _trash(client: httpx.Client, dice: random.Random, ledger: Ledger, image_id: str) -> None:
    """Throw away, and in half of the cases think better of it."""
    ledger.doubt(image_id, TRASHED)
    ledger.note_trash(image_id, _ask(client, ledger, "DELETE", f"/api/v1/images/{image_id}"))
    if image_id in ledger.trashed and dice.random() < AGAIN_WANTED:
        ledger.doubt(image_id, TRASHED)
        ledger.note_restore(image_id, _ask(client, ledger, "POST", f"/api/v1/images/{image_id}/restore"))


def _ask(client: httpx.Client, ledger: Ledger, method: str, url: str, **arguments: Any) -> httpx.Response | None:  # noqa: ANN401 -- handed on to httpx
    """Return the answer, or None when the connection broke; a server that is away is not asked again at once."""
    try:
        answer = client.request(method, url, **arguments)
    except httpx.TransportError as error:
        ledger.count(type(error).__name__)
        time.sleep(0.05)
        return None
    ledger.count(f"{method} {answer.status_code}")
    return answer
