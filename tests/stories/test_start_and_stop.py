"""The server begins, refuses to begin, ends in order, and begins again with everything it had."""

import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

import samples
from command_line import tintype
from postgres import passable_directory
from product import Product, eventually, free_port, start_product
from raw_http import Answer, connect, upload_head
from refusals import open_staging_files

IMAGES: Final = "/api/v1/images"
READY_AGAIN_SECONDS: Final = 10.0
"""Three on a machine of one's own; this one runs other tests meanwhile."""


@dataclass(frozen=True)
class Restarted:
    """A server that was ended during an upload and started again; `seconds` is from start to ready."""

    product: Product
    status: int
    finished: Answer
    image: dict[str, Any]
    seconds: float


@pytest.fixture(scope="module")
def restarted() -> Iterator[Restarted]:
    with passable_directory() as directory:
        with start_product(directory / "data") as first:
            image = first.settled(first.upload(samples.jpeg(seed=130)))
            status, finished = end_during_an_upload(first)
        started = time.monotonic()
        with start_product(directory / "data", key=first.api_key) as second:
            yield Restarted(second, status, finished, image, time.monotonic() - started)


def end_during_an_upload(product: Product) -> tuple[int, Answer]:
    """Tell the server to end while half an upload is there, then send the other half."""
    data = samples.jpeg(seed=131)
    with connect(product.base_url) as connection:
        connection.send(upload_head(len(data)) + data[:9_000])
        assert eventually(lambda: open_staging_files(product) == 1)
        product.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.send(data[9_000:])
        answer = connection.answer()
    return product.stop(), answer


def test_an_upload_that_is_under_way_when_the_server_ends_is_finished(restarted: Restarted) -> None:
    assert restarted.finished.status == 201


def test_a_server_that_is_told_to_end_ends_well(restarted: Restarted) -> None:
    assert restarted.status == 0


def test_a_second_start_is_quick(restarted: Restarted) -> None:
    assert restarted.seconds < READY_AGAIN_SECONDS


def test_images_and_keys_are_still_there_after_a_second_start(restarted: Restarted) -> None:
    product, image = restarted.product, restarted.image
    assert product.settled(restarted.finished.json())["state"] == "ready"
    assert product.client.get(f"{IMAGES}/{image['id']}").json()["source_sha256"] == image["source_sha256"]
    for name in ("original.jpg", "thumb", "medium.webp"):
        assert product.stranger.get(f"/i/{image['id']}/{name}").status_code == 200


def test_tokens_given_before_a_restart_are_good_after_it(restarted: Restarted) -> None:
    given = restarted.finished.json()
    answer = restarted.product.stranger.delete(
        f"{IMAGES}/{given['id']}", headers={"upload-token": given["delete_token"]}
    )
    assert answer.status_code == 204


def test_a_second_server_on_the_same_directory_is_refused_with_a_sentence(restarted: Restarted) -> None:
    refused = tintype("serve", "--data", str(restarted.product.data), "--port", str(free_port()))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("tintype: ")
    assert "is in use by a running Tintype server" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert restarted.product.stranger.get("/readyz").status_code == 200


def test_a_port_that_is_taken_is_refused_with_a_sentence(restarted: Restarted, tmp_path: Path) -> None:
    port = restarted.product.base_url.rpartition(":")[2]
    refused = tintype("serve", "--data", str(tmp_path / "data"), "--port", port)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"Port {port} of 127.0.0.1 cannot be used" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_others_may_pass_through_a_new_data_directory_but_not_look_around(restarted: Restarted, tmp_path: Path) -> None:
    port = restarted.product.base_url.rpartition(":")[2]
    tintype("serve", "--data", str(tmp_path / "data"), "--port", port)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) & 0o077 == 0o011


def test_every_bad_setting_is_named_at_once_by_the_name_it_was_given(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('anonymous_uploads = "perhaps"\n[presets.card]\nwidth = 9\n[kinds.image]\npresets = ["tiny"]\n')
    environment = {
        "TINTYPE_NONSENSE": "1",
        "TINTYPE_UPLOAD__STALL_SECONDS": "-1",
        "TINTYPE_DATABASE_URL": "mysql://user:hunter2@host/db",
        "TINTYPE_SECRET_KEY": "short",
    }
    refused = tintype("serve", "--config", str(file), "--port", "70000", "--workers", "0", environment=environment)
    assert (refused.returncode, refused.stdout) == (2, "")
    complaints = refused.stderr.strip().splitlines()
    names = ("--port", "--workers", *environment, "anonymous_uploads", "presets.card", "kinds.image.presets")
    for name in names:
        assert any(line.startswith(f"tintype: {name}: ") for line in complaints), name
    assert len(complaints) == len(names)
    assert "hunter2" not in refused.stderr
    assert "short" not in refused.stderr.replace("shorter", "")


@pytest.mark.parametrize("arguments", [["serve", "--nonsense"], ["dance"], []])
def test_a_command_that_is_none_is_explained(arguments: list[str]) -> None:
    refused = tintype(*arguments)
    assert refused.returncode == 2
    assert "usage: tintype" in refused.stderr
