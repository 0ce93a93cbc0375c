import pytest
from litestar import Router
from litestar.testing import create_test_client

from tintype.domain.errors import Code
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.web.page import page_routes


def page_of_host(limits: Limits) -> Router:
    async def same(_: str) -> Limits:
        return limits

    return page_routes(limits, same)


def page_of(max_bytes: int, *formats: Format) -> str:
    limits = Limits(max_bytes=max_bytes, max_pixels=1, max_frames=1, formats=frozenset(formats))
    with create_test_client(page_of_host(limits)) as client:
        return client.get("/").text


@pytest.mark.parametrize(
    ("max_bytes", "words"),
    [(10_000_000, "10 MB"), (10_485_760, "10.5 MB"), (2_000_000_000, "2000 MB"), (300_000, "300 kB")],
)
def test_the_page_names_the_limit_of_the_settings(max_bytes: int, words: str) -> None:
    page = page_of(max_bytes, Format.PNG)
    assert f"up to {words}." in page
    assert f'data-max-bytes="{max_bytes}"' in page


def test_the_page_names_and_accepts_the_formats_of_the_settings() -> None:
    assert "WebP, up to" in page_of(1_000_000, Format.WEBP)
    page = page_of(1_000_000, Format.WEBP, Format.JPEG, Format.GIF)
    assert "JPEG, GIF or WebP, up to" in page
    assert 'accept="image/jpeg,image/gif,image/webp"' in page


def test_every_code_has_a_status_of_its_kind() -> None:
    limits = Limits(max_bytes=1, max_pixels=1, max_frames=1, formats=frozenset({Format.PNG}))
    with create_test_client(page_of_host(limits)) as client:
        errors = {error["code"]: error["status"] for error in client.get("/docs/errors.json").json()}
    assert errors.keys() == set(Code)
    assert errors["image.too_large"] == 413
