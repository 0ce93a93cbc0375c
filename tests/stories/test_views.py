"""Views: as many as pictures were served, whoever served them and however they ended. Two API processes count."""

import asyncio
import http.client
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

import samples
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from sabotage import API, sabotaged
from tintype.adapters.view_journal import MappedViewJournal

IMAGES: Final = "/api/v1/images"
COUNTED_SECONDS: Final = 15.0
BRISK: Final = """
    import tintype.usecases.count_views

    tintype.usecases.count_views.ADD_SECONDS = 0.4
"""
"""Views are added up at once, nearly; the rest is waiting."""

DAY_SECONDS: Final = 86_400


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory:
        environment = sabotaged(directory / "brisk", BRISK, API)
        with start_product(directory / "data", "--api-processes", "2", environment=environment) as started:
            yield started


def views(product: Product, image: dict[str, Any]) -> int | None:
    shown: int | None = product.client.get(f"{IMAGES}/{image['id']}").json()["views"]
    return shown


def counted(product: Product, image: dict[str, Any]) -> int:
    """Return what the database has; nothing is remembered in between."""
    answer = product.client.get(f"{IMAGES}/{image['id']}/views")
    assert answer.status_code == httpx.codes.OK, answer.text
    return int(answer.json()["total"])


def settles_at(product: Product, image: dict[str, Any], expected: int) -> bool:
    """Return whether the count gets there, and stays there when everything that was counted is added up."""
    if not eventually(lambda: counted(product, image) >= expected, within=COUNTED_SECONDS):
        return False
    marker = product.upload(samples.jpeg(40, 40, seed=999))
    for _ in range(20):  # both processes have something to add, which is added after what they had
        look(marker["url"])
    eventually(lambda: counted(product, marker) == 20, within=COUNTED_SECONDS)
    return counted(product, image) == expected


def look(url: str, **headers: str) -> int:
    """Ask on a connection of its own: the kernel gives each to one of the processes."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=30)
    with closing(connection):
        path = f"{address.path}?{address.query}"
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer.status


def large(image: dict[str, Any]) -> str:
    return str(image["url"]).replace("original.jpg", "large.jpg")


# What is a view


def test_an_image_is_viewed_as_often_as_it_is_served_large(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=1)))
    assert views(product, image) is None
    assert {look(image["url"]) for _ in range(7)} == {200}
    assert {look(large(image)) for _ in range(5)} == {200}
    assert {look(url) for url in image["thumbnails"].values() for _ in range(2)} == {200}
    assert settles_at(product, image, 12)
    assert eventually(lambda: views(product, image) == 12)


def test_what_sends_nothing_and_what_nobody_looks_at_is_no_view(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=2)))
    answer = product.stranger.get(image["url"], headers={"user-agent": "Mozilla/5.0 (X11; CUBOT X19)"})
    assert look(image["url"], range="bytes=0-") == 206  # the beginning of a download in parts
    assert look(image["url"], range="bytes=100-") == 206
    assert look(image["url"], range="bytes=-10") == 206
    assert look(image["url"], if_none_match=answer.headers["etag"]) == 304
    assert product.stranger.head(image["url"]).status_code == 200
    assert look(image["url"].replace("v=1", "v=9")) == 302
    assert look(image["url"].replace("original.jpg", "original.png")) == 404
    for agent in (
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "facebookexternalhit/1.1",
        "Slackbot-LinkExpanding",
    ):
        assert look(image["url"], user_agent=agent) == 200
    assert look(image["url"], sec_purpose="prefetch;prerender") == 200
    assert look(image["url"], purpose="prefetch") == 200
    assert settles_at(product, image, 2)


def test_views_of_a_private_image_are_counted_and_told_to_those_who_may_see_it(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=3), anonymous=True, visibility="private")
    assert look(f"{image['url']}&token={image['read_token']}") == 200
    assert look(image["url"]) == 404
    assert settles_at(product, image, 1)
    path = f"{IMAGES}/{image['id']}/views"
    assert_problem(product.stranger.get(path), 404, "not_found")
    assert product.stranger.get(path, params={"token": image["read_token"]}).json()["total"] == 1


# By days


def test_views_are_told_by_days_and_no_day_is_left_out(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=4))
    today = datetime.now(UTC).date()
    assert {look(image["url"]) for _ in range(3)} == {200}
    assert settles_at(product, image, 3)
    path = f"{IMAGES}/{image['id']}/views"
    shown = product.stranger.get(path).json()
    assert [day["day"] for day in shown["items"]] == [str(today - timedelta(days=back)) for back in range(29, -1, -1)]
    assert sum(day["views"] for day in shown["items"]) == shown["total"] == 3
    yesterday = str(today - timedelta(days=1))
    shown = product.stranger.get(path, params={"from": yesterday, "to": yesterday}).json()
    assert shown == {"total": 3, "items": [{"day": yesterday, "views": 0}]}


def test_days_that_are_none_are_refused(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=5))
    path = f"{IMAGES}/{image['id']}/views"
    for query in (
        {"from": "yesterday"},
        {"to": "2026-02-30"},
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
    ):
        assert_problem(product.stranger.get(path, params=query), 400, "request.unreadable")
    assert len(product.stranger.get(path, params={"to": "0001-01-05"}).json()["items"]) == 5


# Exactly what was served


def test_nothing_is_lost_or_doubled_however_many_count_and_whichever_are_killed(product: Product) -> None:
    images = [product.settled(product.upload(samples.jpeg(200, 200, seed=seed))) for seed in (10, 11)]
    served = {image["id"]: 0 for image in images}
    with ThreadPoolExecutor(8) as pool:
        for trial in range(2):
            for image in images:
                statuses = list(pool.map(look, [image["url"]] * 60))
                assert set(statuses) == {200}
                served[image["id"]] += 60
            kill_an_api_process(product)
            assert eventually(lambda: answers(product), within=20), trial
    for image in images:
        assert settles_at(product, image, served[image["id"]])
    assert product.metric("tintype_views_lost_total") == 0


def kill_an_api_process(product: Product) -> None:
    """Kill, without a warning, a process that serves: Granian's own is their parent."""
    parent = next(pid for pid, command in product.children().items() if "run-api" in command)
    serving = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    workers = [pid for pid in map(int, serving) if "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(workers[0], signal.SIGKILL)


def answers(product: Product) -> bool:
    try:
        return all(look(f"{product.base_url}/healthz") == 200 for _ in range(6))
    except OSError:
        return False


def test_what_was_counted_when_the_server_stopped_is_there_when_it_is_back() -> None:
    with passable_directory() as directory:
        with start_product(directory / "data") as first:
            image = first.upload(samples.jpeg(seed=12))
            assert {look(image["url"]) for _ in range(9)} == {200}
            first.stop()
            assert list((directory / "data" / "views").iterdir()) == []
        with start_product(directory / "data", key=first.api_key) as second:
            assert counted(second, image) == 9


def test_a_batch_that_comes_again_is_not_added_again(product: Product, tmp_path: Path) -> None:
    image = product.upload(samples.jpeg(seed=13))
    left = batch_file(tmp_path, numbers(product, image), views=5)
    for _ in range(2):
        shutil.copy(left, product.data / "views" / left.name)
        assert eventually(lambda: not (product.data / "views" / left.name).exists(), within=COUNTED_SECONDS)
    assert counted(product, image) == 5


def numbers(product: Product, image: dict[str, Any]) -> tuple[int, int]:
    """Return tenant and id of the image as the database has them."""
    [found] = product.query(
        "SELECT tenant, id FROM images WHERE sha256 = %s AND state <> 'purged'", bytes.fromhex(image["sha256"])
    )
    return int(found[0]), int(found[1])


def batch_file(directory: Path, image: tuple[int, int], *, views: int) -> Path:
    """Return the file of a process that counted so many views and ended."""

    async def count() -> None:
        journal = MappedViewJournal(directory)
        await journal.open()
        today = int(datetime.now(UTC).timestamp()) // DAY_SECONDS
        assert all(journal.count(*image, today) for _ in range(views))
        await journal.close()

    asyncio.run(count())
    [left] = directory.iterdir()
    return left


# When the image goes


def test_a_purge_removes_the_counts_and_a_late_batch_brings_none_back(product: Product, tmp_path: Path) -> None:
    image = product.upload(samples.jpeg(seed=14))
    left = batch_file(tmp_path, numbers(product, image), views=3)
    assert look(image["url"]) == 200
    assert settles_at(product, image, 1)
    _, number = numbers(product, image)
    assert product.client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"}).status_code == 204
    shutil.copy(left, product.data / "views" / left.name)
    assert eventually(lambda: not (product.data / "views" / left.name).exists(), within=COUNTED_SECONDS)
    assert product.query("SELECT count(*) FROM view_days WHERE image = %s", number) == [(0,)]
    assert product.query("SELECT count(*) FROM view_totals WHERE image = %s", number) == [(0,)]
    assert_problem(product.stranger.get(f"{IMAGES}/{image['id']}/views"), 410, "image.gone")
