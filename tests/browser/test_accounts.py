"""The pages of an account, as somebody meets them who signs up."""

import re
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

import samples
from product import Product, eventually
from readability import faint_texts
from upload_page import Visitor, sent_file, visit

pytestmark = pytest.mark.chromium

PASSWORD: Final = "quiet otters count lanterns"  # noqa: S105 -- of people who are not
PHONE: Final = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def fill(page: Page, **values: str) -> None:
    """Fill fields by their labels, and send the form."""
    for label, value in values.items():
        page.get_by_label(label.replace("_", " "), exact=True).fill(value)
    page.locator("form button[type=submit]").first.click()


def sign_up(visitor: Visitor, handle: str) -> None:
    visitor.open("/sign-up")
    fill(visitor.page, Handle=handle, **{"E-mail": f"{handle}@example.org"}, Password=PASSWORD)
    expect(visitor.page.get_by_role("heading", name=handle, level=1)).to_be_visible()


def link_in_mail(product: Product, handle: str, path: str) -> str:
    """Return the link to that page in a mail to them."""

    def found() -> str:
        mails = [mail.read_text() for mail in (product.data / "mail").glob("*.eml")]
        ours = [mail.replace("=\n", "").replace("=3D", "=") for mail in mails if f"{handle}@example.org" in mail]
        links = [link for mail in ours for link in re.findall(rf"http\S+({path}#\S+)", mail)]
        return links[0] if links else ""

    assert eventually(lambda: found() != "")
    return found()


def test_somebody_signs_up_confirms_their_address_uploads_and_undoes_a_delete(
    visitor: Visitor, product: Product
) -> None:
    sign_up(visitor, "anna")
    expect(visitor.page.locator(".told")).to_contain_text("not confirmed")
    visitor.open(link_in_mail(product, "anna", "/verify-email"))
    visitor.page.get_by_role("button", name="Confirm").click()
    expect(visitor.page.get_by_role("heading", name="Your address is confirmed")).to_be_visible()

    visitor.open()
    visitor.upload(sent_file("mine.jpg", samples.jpeg(seed=801)))
    image = visitor.image_of("mine.jpg")
    assert image["owner"] is not None
    card = visitor.card("mine.jpg")
    card.get_by_role("button", name="Delete", exact=True).click()
    expect(card).to_have_attribute("data-state", "trashed")
    card.get_by_role("button", name="Undo").click()
    expect(card).to_have_attribute("data-state", "ready")
    assert product.stranger.get(image["url"]).status_code == 200


def test_a_forgotten_password_is_chosen_anew_by_mail_and_ends_every_session(visitor: Visitor, product: Product) -> None:
    sign_up(visitor, "bert")
    visitor.open("/forgot-password")
    fill(visitor.page, **{"E-mail": "bert@example.org"})
    expect(visitor.page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    visitor.open(link_in_mail(product, "bert", "/reset-password"))
    fill(visitor.page, Password=PASSWORD + " again")
    expect(visitor.page.get_by_role("heading", name="Your password is changed")).to_be_visible()
    visitor.expected_statuses |= {401}
    visitor.open("/account")
    expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
    visitor.page.get_by_label("Handle or e-mail").fill("bert")
    visitor.page.get_by_label("Password").fill(PASSWORD + " again")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("heading", name="bert", level=1)).to_be_visible()


def test_what_is_wrong_is_said_beside_its_field_and_the_keyboard_goes_there(visitor: Visitor) -> None:
    visitor.expected_statuses |= {422}
    visitor.open("/sign-up")
    fill(visitor.page, Handle="carl", **{"E-mail": "carl@example.org", "Password": "short"})
    password = visitor.page.get_by_label("Password")
    expect(password).to_have_attribute("aria-invalid", "true")
    expect(password).to_be_focused()
    expect(visitor.page.locator("#field-password-wrong")).to_contain_text("12")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_readable_and_fit_a_phone(browser: Browser, product: Product, scheme: str) -> None:
    with visit(browser, product, color_scheme=scheme, **PHONE) as somebody:
        for path in ("/sign-in", "/sign-up", "/setup#x"):
            somebody.open(path)
            expect(somebody.page.locator("form")).to_be_visible()
            assert faint_texts(somebody.page) == []
            assert somebody.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
