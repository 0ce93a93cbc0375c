"""Another PostgreSQL in the place of the embedded one: Debian's, and one that goes away and comes back."""

import time
from pathlib import Path
from typing import Final

import psycopg
import pytest

import samples
from postgres import Server, fresh_database, passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres

IMAGES: Final = "/api/v1/images"
AWAY_SECONDS: Final = 2.0
"""I12: how long a request may take to be told that the database is away; half a second more on a busy machine."""


@pytest.mark.debian_postgresql
def test_the_whole_story_runs_on_debians_postgresql(debian_server: Server, tmp_path: Path) -> None:
    url = fresh_database(debian_server)
    with start_product(tmp_path / "data", environment={"TINTYPE_DATABASE_URL": url}) as product:
        with psycopg.connect(url) as connection:
            assert connection.info.server_version // 10_000 == 15
        image = product.upload(samples.jpeg(orientation=6, gps=True, seed=150), anonymous=True, title="Debian")
        shown = product.settled(image)
        assert (shown["state"], shown["title"], shown["width"]) == ("ready", "Debian", 640)
        assert len(product.upload(samples.jpeg(orientation=6, seed=150), tags="a,b")["tags"]) == 2
        for path in ("original.jpg", "thumb", "medium.webp?v=1", "large"):
            assert product.stranger.get(f"/i/{image['id']}/{path}").status_code == 200
        refused = product.stranger.delete(f"{IMAGES}/{image['id']}", headers={"upload-token": "ttw_" + "0" * 33})
        assert_problem(refused, 403, "auth.forbidden")
        token = {"upload-token": image["delete_token"]}
        assert product.stranger.delete(f"{IMAGES}/{image['id']}?purge=true", headers=token).status_code == 204
        assert_problem(product.stranger.get(image["url"]), 410, "image.gone")
        assert eventually(lambda: product.metric("tintype_queue_depth") == 0)
        assert not product.data.joinpath("postgres").exists()


def test_a_database_that_goes_away_is_503_at_once_and_all_is_well_when_it_comes_back(tmp_path: Path) -> None:
    with passable_directory() as directory:
        server = EmbeddedPostgres(EmbeddedConfig(directory / "data", system_directory=directory / "system"))
        server.start()
        try:
            with start_product(
                tmp_path / "data", environment={"TINTYPE_DATABASE_URL": server.superuser_url}
            ) as product:
                image = product.settled(product.upload(samples.jpeg(seed=151)))
                assert product.stranger.get(image["thumbnails"]["thumb"]).status_code == 200
                server.stop()
                assert_away(product, image["thumbnails"]["thumb"])
                time.sleep(4)  # long enough for whoever waits longer after each failure
                server.restart()
                askers = (product.stranger, product.client)  # their connections lead to processes of their own
                assert eventually(lambda: all(each.get("/readyz").status_code == 200 for each in askers), within=10)
                back = time.monotonic()
                kept = product.settled(product.upload(samples.jpeg(seed=152)))
                assert kept["state"] == "ready"
                assert time.monotonic() - back < 10, "the worker came back late"
        finally:
            server.stop()


def assert_away(product: Product, remembered: str) -> None:
    """Assert that what needs the database says so, and what does not goes on."""
    assert product.stranger.get("/healthz").status_code == 200
    assert product.stranger.get(remembered).status_code == 200
    started = time.monotonic()
    ready = product.stranger.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (503, "does not answer")
    assert "retry-after" in ready.headers
    for answer in (
        product.client.post(IMAGES, content=samples.jpeg(seed=153)),
        product.client.get(f"{IMAGES}/img_{'0' * 22}"),
    ):
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
    assert time.monotonic() - started < 3 * (AWAY_SECONDS + 0.5)
    assert product.stranger.get("/metrics").status_code == 200
    assert len(product.files("blobs")) == 7  # of the upload that was refused there is nothing
