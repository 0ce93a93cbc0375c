"""Clients that upload and delete while everything breaks, and a ledger of what they were told.

What was answered with 201 or 204 is a promise of the server's; what was not answered may have happened or not. The
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

DELETE: Final = 0.15
"""How many images are deleted for each that is uploaded."""

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


@dataclass
class Ledger:
    """What the clients asked for and what they were told; safe for many threads."""

    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    """Ids whose deletion was answered with 204."""
    doubtful: set[str] = field(default_factory=set)
    """Ids whose deletion was asked for and never answered."""
    sent: Counter[str] = field(default_factory=Counter)
    """How often each source was sent, answered or not."""
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

    def claim_for_deletion(self, dice: random.Random) -> str | None:
        """Return the id of an image that nobody has tried to delete yet, or None; in doubt until it is answered."""
        with self._lock:
            left = sorted(self.acknowledged.keys() - self.deleted - self.doubtful)
            chosen = dice.choice(left) if left else None
            if chosen is not None:
                self.doubtful.add(chosen)
            return chosen

    def note_upload(self, source: str, answer: httpx.Response | None) -> None:
        """Take note of an upload; None when it was not answered."""
        with self._lock:
            if answer is not None and answer.status_code == httpx.codes.CREATED:
                shown = answer.json()
                self.acknowledged[shown["id"]] = Acknowledged(source, shown)

    def note_deletion(self, image_id: str, answer: httpx.Response | None) -> None:
        """Take note of a deletion; None when it was not answered."""
        with self._lock:
            if answer is not None and answer.status_code == httpx.codes.NO_CONTENT:
                self.deleted.add(image_id)
                self.doubtful.discard(image_id)

    def count(self, what: str) -> None:
        """Count an answer or a broken connection."""
        with self._lock:
            self.answers[what] += 1

    def count_sent(self, source: str) -> None:
        """Count a source that is about to be sent."""
        with self._lock:
            self.sent[source] += 1

    def kept(self) -> list[Acknowledged]:
        """Return every acknowledged image that nobody tried to delete."""
        return [image for name, image in self.acknowledged.items() if name not in self.deleted | self.doubtful]

    def wholly_deleted(self) -> set[str]:
        """Return the SHA-256 of stored bytes that no image can have any more, as far as the clients know."""
        answered: Counter[str] = Counter(image.source for image in self.acknowledged.values())
        alive = {image.source for name, image in self.acknowledged.items() if name not in self.deleted}
        return {
            image.sha256
            for image in self.acknowledged.values()
            if image.source not in alive and answered[image.source] == self.sent[image.source]
        }


@contextmanager
def uploading(base_url: str, api_key: str, *, clients: int, seed: int, ledger: Ledger) -> Iterator[None]:
    """Have so many clients upload and delete during the block; what they do depends on `seed` alone."""
    stop = threading.Event()
    headers = {"authorization": f"Bearer {api_key}"}

    def use(number: int) -> None:
        dice = random.Random(seed * 1000 + number)
        with httpx.Client(base_url=base_url, headers=headers, timeout=ANSWER_SECONDS) as client:
            while not stop.is_set():
                _upload(client, dice, ledger)
                if dice.random() < DELETE:
                    _delete(client, dice, ledger)
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


def _delete(client: httpx.Client, dice: random.Random, ledger: Ledger) -> None:
    image_id = ledger.claim_for_deletion(dice)
    if image_id is not None:
        ledger.note_deletion(image_id, _ask(client, ledger, "DELETE", f"/api/v1/images/{image_id}?purge=true"))


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
