from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from components import require
from product import Product
from upload_page import PATIENCE_MS, SWITCHES, Visitor, visit


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a Chromium; a file's tests share it, and no longer: its event loop must not run under other tests."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=require("chromium"), args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture
def visitor(browser: Browser, product: Product) -> Iterator[Visitor]:
    """Give somebody who has just opened the upload page for the first time."""
    with visit(browser, product) as somebody:
        somebody.open()
        yield somebody
