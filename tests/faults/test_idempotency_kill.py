"""An API process that dies between the commit and the answer (I8): the client asks again and gets what was done.

The control keeps the answer in a transaction of its own, which never comes: it must end with two images.
"""

from pathlib import Path
from typing import Final

import httpx
import pytest

import samples
from product import Product, eventually, start_product
from sabotage import API, sabotaged

IMAGES: Final = "/api/v1/images"
TRIALS: Final = 5
JPEG: Final = samples.jpeg(seed=340)

DIE_BEFORE_THE_ANSWER: Final = """
    import os, signal
    from pathlib import Path
    from tintype.usecases.upload_image import UploadImage

    commit = UploadImage._commit
    order = Path(__file__).with_name("die")

    async def commit_and_die(self, accepted, *rest):
        accepted = await commit(self, accepted, *rest)
        if order.exists():
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return accepted

    UploadImage._commit = commit_and_die
"""

KEEP_IT_LATER: Final = """
    from tintype.usecases import upload_image

    async def keep_later(connection, accepted, attempt):
        pass

    upload_image._keep = keep_later
"""


def lose_an_answer(product: Product, order: Path, headers: dict[str, str], title: str) -> httpx.Response:
    """Upload, lose the answer with the process that would have given it, and return the answer to a second attempt."""
    order.touch()
    request = {"files": {"file": JPEG}, "data": {"title": title}, "headers": headers}
    with pytest.raises(httpx.TransportError):
        product.stranger.post(IMAGES, **request)  # type: ignore[arg-type]
    assert not order.exists()
    assert eventually(lambda: is_back(product), within=20)
    return product.stranger.post(IMAGES, **request)  # type: ignore[arg-type]


def is_back(product: Product) -> bool:
    try:
        return product.stranger.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def made(product: Product, title: str) -> int:
    return int(product.query("SELECT count(*) FROM images WHERE title = %s", title)[0][0])


def test_an_answer_that_was_lost_is_given_again_and_the_image_is_there_once(passable_tmp_path: Path) -> None:
    broken = passable_tmp_path / "broken"
    environment = sabotaged(broken, DIE_BEFORE_THE_ANSWER, API)
    with start_product(passable_tmp_path / "data", environment=environment) as product:
        for number in range(TRIALS):
            title, headers = f"trial {number}", {"idempotency-key": f"key-{number}"}
            if number % 2:
                headers |= {"authorization": f"Bearer {product.api_key}"}
            answer = lose_an_answer(product, broken / "die", headers, title)
            assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (201, "true"), answer.text
            assert made(product, title) == 1
            assert product.settled(answer.json())["state"] == "ready"
    print(f"\n{TRIALS} answers lost, {TRIALS} given again")  # noqa: T201 -- a fault test says its trials


def test_a_product_that_keeps_the_answer_later_is_caught_making_two(passable_tmp_path: Path) -> None:
    broken = passable_tmp_path / "broken"
    environment = sabotaged(broken, DIE_BEFORE_THE_ANSWER + KEEP_IT_LATER, API)
    with start_product(passable_tmp_path / "data", environment=environment) as product:
        answer = lose_an_answer(product, broken / "die", {"idempotency-key": "a"}, "twice")
        assert answer.status_code == 201
        assert made(product, "twice") == 2
