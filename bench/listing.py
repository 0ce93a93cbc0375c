"""Whether lists and look-ups cost the same with a million images as with ten thousand.

One tenant's images are written straight into the database, with every property that a filter asks for; then the same
questions are put over HTTP, one at a time, to a server with few images and to the same server with many. What is
compared is the median answer. No record is looked up twice, so none comes from the server's memory.
"""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import psycopg

from figures import Figure, compared, percentile
from serving import Served, passable_directory, serving
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url
from tintype.domain.ids import EPOCH_MS, ImageRef

FEW: Final = 10_000
MANY: Final = 1_000_000
QUESTIONS: Final = 400
"""Of each sort, in either phase."""

MOST_OF_FEW: Final = 1.5
IMAGES: Final = "/api/v1/images"

_INSERT_IMAGES: Final = """
INSERT INTO images (bucket, id, tenant, secret, kind, recipe, sha256, source_sha256, sanitiser_version, format, width,
    height, frames, size, title, alt, tags, visibility, state, created_at, attached_type, attached_id, created_by)
SELECT (id >> 9) & 8191, id, tenant, int8send(n * 7919), CASE WHEN mod(n, 300) = 0 THEN 'avatar' ELSE 'image' END,
    '{"presets": [], "outputs": ["jpeg"]}', sha, sha, 1, 'jpeg', 800, 600, 1, 90000,
    'Picture pic' || lpad(n::text, 8, '0'), 'common word' || mod(n, 997), ARRAY['tag' || mod(n, 4999)], 'public',
    CASE WHEN mod(n, 290) = 0 THEN 'failed' ELSE 'ready' END, now(), 'order', (n / 3)::text, 1
FROM (SELECT n, ((%(newest)s - n) << 22) + mod(n * 31, 8192) * 512 + mod(n, 512) AS id,
          sha256(n::text::bytea) AS sha,
          (SELECT id FROM tenants WHERE slug = 'default') AS tenant
      FROM generate_series(%(first)s::int8, %(last)s::int8) AS n) AS rows"""

_INSERT_VARIANTS: Final = """
INSERT INTO variants (bucket, tenant, sha256, digest, preset, format, width, height, size, file_sha256)
SELECT get_byte(sha, 0) * 32 + get_byte(sha, 1) / 8, tenant, sha, 'digest', 'thumb', 'jpeg', 150, 150, 5000, sha
FROM (SELECT sha256(n::text::bytea) AS sha, (SELECT id FROM tenants WHERE slug = 'default') AS tenant
      FROM generate_series(%(first)s::int8, %(last)s::int8) AS n) AS rows"""


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    few, many, questions = (500, 1_000, 5) if quick else (FEW, MANY, QUESTIONS)
    with passable_directory() as directory, serving(directory / "data") as server:
        url = running_superuser_url(EmbeddedConfig(data=directory / "data"))
        with psycopg.connect(url or "", options="-c search_path=tintype", autocommit=True) as database:
            newest = int(time.time() * 1000) - EPOCH_MS
            _fill(database, newest, 1, few)
            before = _Bench(server, database, few).medians(questions)
            _fill(database, newest, few + 1, many)
            after = _Bench(server, database, many).medians(questions)
    return [
        compared(f"{name}: {many:,} images", after[name], before[name], "ms", peer_name=f"{few:,}", most=MOST_OF_FEW)
        for name in before
    ]


def _fill(database: psycopg.Connection[Any], newest: int, first: int, last: int) -> None:
    given = {"newest": newest, "first": first, "last": last}
    database.execute(_INSERT_IMAGES, given)
    database.execute(_INSERT_VARIANTS, given)
    for table in ("images", "variants"):
        database.execute(b"VACUUM ANALYZE " + table.encode())
    database.execute("CHECKPOINT")


@dataclass(frozen=True)
class _Bench:
    """The questions about a number of images."""

    server: Served
    database: psycopg.Connection[Any]
    images: int

    def medians(self, questions: int) -> dict[str, float]:
        """Return the median answer in milliseconds to each sort of question."""
        asked: dict[str, Callable[[int], Iterator[str]]] = {
            "look-up by id": self._look_ups,
            "list, first page": lambda _: cycle([IMAGES]),
            "list, from the middle": lambda most: (f"{IMAGES}?cursor={cursor}" for cursor in self._cursors(most)),
            "list, a rare kind": lambda _: cycle([f"{IMAGES}?kind=avatar"]),
            "list, a rare state": lambda _: cycle([f"{IMAGES}?state=failed"]),
            "list, by attachment": lambda most: (f"{IMAGES}?attached_to=order:{n}" for n in self._numbers(most)),
            "search, a rare word": lambda most: (f"{IMAGES}?q=pic{n:08}" for n in self._numbers(most)),
            "search, a word that all have": lambda _: cycle([f"{IMAGES}?q=common"]),
        }
        return {name: self._median(paths(questions), questions) for name, paths in asked.items()}

    def _median(self, paths: Iterator[str], questions: int) -> float:
        address = self.server.base_url.removeprefix("http://")
        with closing(http.client.HTTPConnection(address, timeout=30)) as connection:
            return percentile([self._ask(connection, next(paths)) for _ in range(questions)], 0.5) * 1000

    def _ask(self, connection: http.client.HTTPConnection, path: str) -> float:
        started = time.perf_counter()
        connection.request("GET", path, headers={"authorization": f"Bearer {self.server.key}"})
        answer = connection.getresponse()
        body = answer.read()
        taken = time.perf_counter() - started
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} answers {answer.status}: {body[:200]!r}")
        return taken

    def _numbers(self, most: int) -> Iterator[int]:
        """Give numbers of images, spread over all of them."""
        return (max(1, index * self.images // (3 * most)) for index in range(most))

    def _rows(self, most: int) -> list[tuple[int, bytes]]:
        """Return id and secret of rows spread over all of them, more than `most`."""
        step = max(1, self.images // (2 * most))
        return self.database.execute("SELECT id, secret FROM images WHERE mod(id >> 22, %s) = 0", [step]).fetchall()

    def _look_ups(self, most: int) -> Iterator[str]:
        for image_id, secret in self._rows(most):
            yield f"{IMAGES}/{ImageRef(image_id, int.from_bytes(secret, 'big'))}"

    def _cursors(self, most: int) -> Iterator[str]:
        for image_id, secret in self._rows(most):
            yield str(ImageRef(image_id, int.from_bytes(secret, "big")))[4:15]
