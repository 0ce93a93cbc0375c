from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

import samples
from product import Product
from readability import faint_texts
from upload_page import Visitor, sent_file, visit

pytestmark = pytest.mark.chromium

CONTROLS = frozenset({"button", "link", "textbox", "progressbar", "DisclosureTriangle", "region"})
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def accessible(visitor: Visitor) -> list[tuple[str, str, dict[str, Any]]]:
    """Return role, name and properties of everything that a screen reader meets, in its order."""
    devtools = visitor.context.new_cdp_session(visitor.page)
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    return [
        (
            node["role"]["value"],
            node.get("name", {}).get("value", ""),
            {prop["name"]: prop["value"].get("value") for prop in node.get("properties", ())},
        )
        for node in nodes
        if not node["ignored"] and "role" in node
    ]


def show_every_state(visitor: Visitor) -> None:
    """Bring the page where it shows a picture that is ready, one that is being deleted, a refused and a waiting one."""
    visitor.expected_statuses |= {415, 429}
    visitor.upload(sent_file("ready.jpg", samples.jpeg(seed=60)), sent_file("asked.gif", samples.gif(frames=2)))
    visitor.card("asked.gif").get_by_role("button", name="Delete", exact=True).click()
    visitor.choose(sent_file("refused.txt", b"no picture", "text/plain"))
    expect(visitor.cards("failed")).to_have_count(1)
    busy = {"detail": "Too many uploads.", "code": "rate_limited"}
    visitor.page.route(
        "**/api/v1/images", lambda route: route.fulfill(status=429, json=busy, headers={"retry-after": "50"})
    )
    visitor.choose(sent_file("waiting.jpg", samples.jpeg(seed=61)))
    expect(visitor.card("waiting.jpg").locator(".problem")).to_be_visible()
    visitor.page.get_by_text("From a script").click()


def focused(page: Page) -> str:
    """Return the words of what has the keyboard."""
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''")).strip()


def test_everything_is_done_by_keyboard_alone(visitor: Visitor, product: Product) -> None:
    page, keyboard = visitor.page, visitor.page.keyboard
    stops = []
    while "Choose pictures" not in stops:
        keyboard.press("Tab")
        stops.append(focused(page))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert stops == ["Skip to your pictures", "Tintype", "API reference", "Sign in", "Choose pictures"]
    with page.expect_file_chooser() as chooser:
        keyboard.press("Enter")
    visitor.give(chooser.value, *(sent_file(f"{name}.jpg", samples.jpeg(seed=ord(name))) for name in "ab"))
    expect(visitor.cards("ready")).to_have_count(2)
    image = visitor.image_of("a.jpg")

    for expected in ("Copy all links", "Open a.jpg", "Delete", "Copy link"):
        keyboard.press("Tab")
        assert focused(page) == expected
    keyboard.press("Enter")
    visitor.announced("Copied: link of a.jpg.")
    assert visitor.clipboard() == image["url"]
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    visitor.announced("a.jpg is deleted. Undo brings it back.")
    assert focused(page) == "Undo"
    keyboard.press("Tab")
    assert focused(page) == "Delete for good"
    keyboard.press("Enter")
    visitor.announced("a.jpg is deleted for good.")
    assert product.stranger.get(image["url"]).status_code == 410
    assert focused(page) == "Copy link"  # of b.jpg: the keyboard's place is not lost with the picture
    assert page.evaluate("document.activeElement.closest('.card').querySelector('h3').innerText") == "b.jpg"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_every_control_has_a_name_and_every_page_its_landmarks(visitor: Visitor, path: str) -> None:
    if path == "/":
        show_every_state(visitor)
    else:
        visitor.open(path)
        expect(visitor.page.get_by_role("heading", name="Errors")).to_be_visible()
    met = accessible(visitor)
    assert [(role, name) for role, name, _ in met if role in CONTROLS and not name] == []
    roles = Counter(role for role, _, _ in met)
    assert {"banner": 1, "main": 1, "contentinfo": 1}.items() <= roles.items()
    assert roles["navigation"] >= 1
    levels = [properties["level"] for role, _, properties in met if role == "heading"]
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))
    assert visitor.page.get_attribute("html", "lang") == "en"
    assert visitor.page.locator("img:not([alt])").count() == 0
    ids = visitor.page.eval_on_selector_all("[id]", "(found) => found.map((one) => one.id)")
    assert [name for name, times in Counter(ids).items() if times > 1] == []


def test_buttons_that_look_alike_say_which_picture_they_are_for(visitor: Visitor) -> None:
    show_every_state(visitor)
    described = visitor.page.eval_on_selector_all(
        ".card button",
        "(all) => all.map((one) => document.getElementById(one.getAttribute('aria-describedby')).textContent)",
    )
    assert set(described) == {"ready.jpg", "asked.gif", "refused.txt", "waiting.jpg"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_every_text_stands_out_from_its_ground(browser: Browser, product: Product, path: str, scheme: str) -> None:
    with visit(browser, product, color_scheme=scheme, reduced_motion="reduce") as visitor:
        visitor.open(path)
        if path == "/":
            assert faint_texts(visitor.page) == []
            show_every_state(visitor)
            visitor.card("ready.jpg").get_by_role("button", name="HTML").click()
        else:
            expect(visitor.page.get_by_role("heading", name="Errors")).to_be_visible()
        assert faint_texts(visitor.page) == []


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_phone_never_scrolls_sideways(browser: Browser, product: Product, path: str) -> None:
    with visit(browser, product, **PHONE) as visitor:
        visitor.open(path)
        assert not visitor.overflows()
        if path == "/":
            visitor.upload(sent_file(f"{'long' * 40}.jpg", samples.jpeg(seed=63)))
            show_every_state(visitor)
        else:
            expect(visitor.page.get_by_role("heading", name="Errors")).to_be_visible()
        assert not visitor.overflows()


def test_buttons_are_large_enough_for_fingers(browser: Browser, product: Product) -> None:
    with visit(browser, product, **PHONE) as visitor:
        visitor.open()
        show_every_state(visitor)
        heights = visitor.page.eval_on_selector_all(
            "button", "(all) => all.filter((one) => one.checkVisibility()).map((one) => one.offsetHeight)"
        )
        assert min(heights) >= 40


def test_nothing_moves_for_whoever_asks_for_that(browser: Browser, product: Product) -> None:
    with visit(browser, product, reduced_motion="reduce") as visitor:
        visitor.open()
        visitor.upload(sent_file("still.jpg", samples.jpeg(seed=62)))
        assert visitor.card("still.jpg").evaluate("(card) => getComputedStyle(card).animationName") == "none"
        moving = "(all) => all.filter((one) => getComputedStyle(one).transitionDuration !== '0s').length"
        assert visitor.page.eval_on_selector_all("*", moving) == 0
