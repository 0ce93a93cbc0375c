from typing import Any, Final

import pytest
from playwright.sync_api import Browser, expect

import samples
from product import Product
from readability import faint_texts
from upload_page import visit

pytestmark = pytest.mark.chromium

PHONE: Final = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LONG: Final = "Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 3


@pytest.fixture(scope="module")
def photograph(product: Product) -> dict[str, Any]:
    data = samples.jpeg(3000, 2000, seed=1, quality=95)
    image = product.upload(data, title=f"Evening on the quay {LONG}", alt="Boats in low sun", tags=f"sea,{LONG[:50]}")
    return product.settled(image)


def test_the_picture_is_there_without_a_script_and_nothing_is_refused(
    browser: Browser, product: Product, photograph: dict[str, Any]
) -> None:
    with visit(browser, product, java_script_enabled=False) as visitor:
        visitor.open(f"/p/{photograph['id']}")
        picture = visitor.page.get_by_role("img", name="Boats in low sun")
        expect(picture).to_be_visible()
        visitor.page.get_by_text("Share or embed").click()
        expect(visitor.page.get_by_label("Link to the picture")).to_have_value(photograph["url"])
        assert str(photograph["page_url"]) in visitor.page.get_by_label("HTML").input_value()


def test_the_picture_has_arrived_and_fits_the_window(
    browser: Browser, product: Product, photograph: dict[str, Any]
) -> None:
    for options in ({"viewport": {"width": 1280, "height": 800}}, PHONE):
        with visit(browser, product, **options) as visitor:
            visitor.open(f"/p/{photograph['id']}")
            picture = visitor.page.get_by_role("img", name="Boats in low sun")
            expect(picture).to_be_visible()
            natural, shown = picture.evaluate("(one) => [one.naturalWidth, one.getBoundingClientRect().toJSON()]")
            assert natural == 2048
            assert shown["width"] / shown["height"] == pytest.approx(3 / 2, rel=0.02)
            assert shown["bottom"] <= options["viewport"]["height"]  # type: ignore[index]
            assert not visitor.overflows()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_every_page_stands_out(
    browser: Browser, product: Product, photograph: dict[str, Any], scheme: str
) -> None:
    with visit(browser, product, color_scheme=scheme) as visitor:
        visitor.expected_statuses |= {404}
        for name in (photograph["id"], "nothing"):
            visitor.open(f"/p/{name}")
            for summary in visitor.page.locator("summary").all():
                summary.click()
            assert faint_texts(visitor.page) == []
            assert visitor.page.locator("h1").count() == 1
            assert visitor.page.get_by_role("main").count() == 1


def test_everything_is_reached_by_keyboard_and_large_enough_for_fingers(
    browser: Browser, product: Product, photograph: dict[str, Any]
) -> None:
    with visit(browser, product, **PHONE) as visitor:
        visitor.open(f"/p/{photograph['id']}")
        stops = []
        for _ in range(4):
            visitor.page.keyboard.press("Tab")
            stops.append(visitor.page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText"))
            assert visitor.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert stops[0] == "Tintype"
        assert stops[1].endswith("open the original")
        assert stops[2].startswith("Download the original")
        assert stops[3] == "Share or embed"
        heights = visitor.page.eval_on_selector_all(".action, summary", "(all) => all.map((one) => one.offsetHeight)")
        assert min(heights) >= 40
