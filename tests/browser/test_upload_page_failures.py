import json
import re
from base64 import b64decode

import pytest
from playwright.sync_api import Browser, Route, expect

import samples
from product import Product
from upload_page import Visitor, sent_file, visit

pytestmark = pytest.mark.chromium

PHOTO = samples.jpeg(seed=40)
IMAGES = "**/api/v1/images"
ONE_IMAGE = re.compile(r"/api/v1/images/img_\w+(\?purge=true)?$")
EVENTS = re.compile(r"/api/v1/images/img_\w+/events$")
BUSY = {"detail": "Too many uploads from your address. Try again in 1 s.", "code": "rate_limited"}


def problem(route: Route, status: int, document: dict[str, str], **headers: str) -> None:
    """Answer in the server's place."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    route.fulfill(status=status, json=document, headers=named, content_type="application/problem+json")


def sentence_of_the_server(product: Product, data: bytes) -> str:
    """Return why the server refuses the file."""
    answer = product.stranger.post("/api/v1/images", files={"file": ("notes.txt", data)})
    assert answer.status_code >= 400
    return str(answer.json()["detail"])


@pytest.mark.parametrize(
    ("status", "data"),
    [(415, b"Dear diary, this is not a picture."), (422, PHOTO[: len(PHOTO) // 2]), (422, b"")],
    ids=["text", "half a JPEG", "nothing"],
)
def test_what_is_no_image_gets_the_sentence_of_the_server(
    visitor: Visitor, product: Product, status: int, data: bytes
) -> None:
    visitor.expected_statuses.add(status)
    visitor.choose(sent_file("notes.jpg", data))
    card = visitor.card("notes.jpg")
    expect(card).to_have_attribute("data-state", "failed")
    expect(card.locator(".problem")).to_have_text(sentence_of_the_server(product, data))
    expect(card.get_by_role("button", name="Retry")).to_be_hidden()
    card.get_by_role("button", name="Dismiss").click()
    expect(visitor.cards()).to_have_count(0)


def test_a_file_over_the_limit_is_not_even_sent(visitor: Visitor) -> None:
    methods: list[str] = []
    visitor.page.on("request", lambda request: methods.append(request.method))
    visitor.page.evaluate("""() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(12_300_000)], "huge.jpg", { type: "image/jpeg" }));
      dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
    }""")
    problem = visitor.card("huge.jpg").locator(".problem")
    expect(problem).to_have_text("This file has 12.3 MB; at most 10 MB are taken.")
    visitor.upload(sent_file("small.jpg", PHOTO))
    assert methods.count("POST") == 1


def ask_instead_of_following(visitor: Visitor) -> None:
    """Let no stream of events through: the page asks for the image now and then."""
    visitor.expected_statuses.add(0)
    visitor.page.route(EVENTS, lambda route: route.abort())


def test_a_page_that_is_told_of_the_thumbnails_does_not_ask_for_them(visitor: Visitor) -> None:
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.choose(sent_file("told.jpg", samples.jpeg(seed=47)))
    expect(visitor.card("told.jpg")).to_have_attribute("data-state", "ready")
    assert [url for url in asked if EVENTS.search(url)] != []
    assert [url for url in asked if ONE_IMAGE.search(url)] == []


def test_a_page_follows_so_few_pictures_that_uploads_have_connections_left(visitor: Visitor) -> None:
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.route(EVENTS, lambda _: None)  # never answered
    visitor.choose(*(sent_file(f"many-{number}.jpg", samples.jpeg(64, 64, seed=60 + number)) for number in range(8)))
    expect(visitor.cards("ready")).to_have_count(6)
    assert len([url for url in asked if EVENTS.search(url)]) == 2


def test_a_busy_server_is_asked_again_when_it_said_so(visitor: Visitor) -> None:
    visitor.expected_statuses.add(429)
    visitor.page.route(IMAGES, lambda route: problem(route, 429, BUSY, retry_after="1"), times=2)
    visitor.choose(sent_file("patient.jpg", PHOTO))
    card = visitor.card("patient.jpg")
    expect(card.locator(".problem")).to_have_text(BUSY["detail"])
    expect(card.locator(".meta")).to_have_text("Waiting to try again")
    expect(card).to_have_attribute("data-state", "ready")
    expect(card.locator(".problem")).to_be_hidden()


def test_whoever_does_not_want_to_wait_for_a_busy_server_retries_at_once(visitor: Visitor) -> None:
    visitor.expected_statuses.add(503)
    visitor.page.route(IMAGES, lambda route: problem(route, 503, BUSY, retry_after="55"), times=1)
    visitor.choose(sent_file("hasty.jpg", PHOTO))
    visitor.card("hasty.jpg").get_by_role("button", name="Retry").click()
    expect(visitor.card("hasty.jpg")).to_have_attribute("data-state", "ready")


def test_a_server_that_is_busy_for_long_leaves_it_to_the_person(visitor: Visitor) -> None:
    visitor.expected_statuses.add(503)
    away = {"detail": "The database is away.", "code": "unavailable"}
    visitor.page.route(IMAGES, lambda route: problem(route, 503, away, retry_after="3600"), times=1)
    visitor.choose(sent_file("later.jpg", PHOTO))
    card = visitor.card("later.jpg")
    expect(card).to_have_attribute("data-state", "failed")
    visitor.announced("later.jpg: The database is away.")
    card.get_by_role("button", name="Retry").click()
    expect(card).to_have_attribute("data-state", "ready")


def test_lost_connections_are_retried_all_together(visitor: Visitor) -> None:
    visitor.expected_statuses.add(0)
    visitor.page.route(IMAGES, lambda route: route.abort(), times=3)
    visitor.choose(*(sent_file(f"{number}.jpg", samples.jpeg(seed=41 + number)) for number in range(3)))
    expect(visitor.cards("failed")).to_have_count(3)
    expect(visitor.cards().first.locator(".problem")).to_have_text("The connection was lost. Check it, then try again.")
    visitor.page.get_by_role("button", name="Retry all").click()
    expect(visitor.cards("ready")).to_have_count(3)
    expect(visitor.page.get_by_role("button", name="Retry all")).to_be_hidden()


def test_when_the_answer_alone_is_lost_the_page_says_that_the_picture_may_have_arrived(visitor: Visitor) -> None:
    visitor.expected_statuses.add(0)
    devtools = visitor.context.new_cdp_session(visitor.page)
    held: list[str] = []
    devtools.on("Fetch.requestPaused", lambda event: held.append(event["requestId"]))
    devtools.send("Fetch.enable", {"patterns": [{"urlPattern": "*/api/v1/images", "requestStage": "Response"}]})
    visitor.choose(sent_file("perhaps.jpg", samples.jpeg(seed=46)))
    card = visitor.card("perhaps.jpg")
    expect(card).to_have_attribute("data-state", "checking")
    while not held:
        visitor.page.wait_for_timeout(20)
    devtools.send("Fetch.failRequest", {"requestId": held[0], "errorReason": "ConnectionReset"})
    devtools.send("Fetch.disable")
    expect(card.locator(".problem")).to_have_text(
        "The connection was lost before the server answered. "
        "It may have the picture: trying again may make a second one."
    )
    card.get_by_role("button", name="Retry").click()
    expect(card).to_have_attribute("data-state", "ready")


def test_a_page_of_a_proxy_is_not_shown_but_its_status_is(visitor: Visitor) -> None:
    visitor.expected_statuses.add(502)
    page = "<h1>Bad gateway</h1>"
    visitor.page.route(IMAGES, lambda route: route.fulfill(status=502, body=page, content_type="text/html"), times=1)
    visitor.choose(sent_file("proxied.jpg", PHOTO))
    expect(visitor.card("proxied.jpg").locator(".problem")).to_have_text("The server answered 502 and did not say why.")
    expect(visitor.card("proxied.jpg").get_by_role("button", name="Retry")).to_be_visible()


def test_cancelling_when_every_byte_has_left_deletes_what_the_server_kept(visitor: Visitor, product: Product) -> None:
    devtools = visitor.context.new_cdp_session(visitor.page)
    held: list[str] = []
    devtools.on("Fetch.requestPaused", lambda event: held.append(event["requestId"]))
    devtools.send("Fetch.enable", {"patterns": [{"urlPattern": "*/api/v1/images", "requestStage": "Response"}]})
    visitor.choose(sent_file("regret.jpg", samples.jpeg(seed=45)))
    card = visitor.card("regret.jpg")
    expect(card).to_have_attribute("data-state", "checking")
    while not held:  # the server has it, and its answer is held back
        visitor.page.wait_for_timeout(20)
    card.get_by_role("button", name="Cancel").click()
    expect(card.locator(".meta")).to_have_text("Cancelling")
    answer = devtools.send("Fetch.getResponseBody", {"requestId": held[0]})
    devtools.send("Fetch.continueResponse", {"requestId": held[0]})
    expect(card).to_have_attribute("data-state", "cancelled")
    body = b64decode(answer["body"]) if answer["base64Encoded"] else answer["body"]
    assert product.stranger.get(f"/api/v1/images/{json.loads(body)['id']}").status_code == 410


def test_a_picture_that_cannot_be_processed_says_what_the_code_means(visitor: Visitor) -> None:
    def reject(route: Route) -> None:
        image = route.fetch().json()
        route.fulfill(json={**image, "state": "rejected", "state_reason": "image.malformed"})

    ask_instead_of_following(visitor)
    visitor.page.route(ONE_IMAGE, reject)
    visitor.choose(sent_file("odd.jpg", PHOTO))
    card = visitor.card("odd.jpg")
    expect(card).to_have_attribute("data-state", "refused")
    expect(card.locator(".problem")).to_have_text("The server cannot show this picture: The image is damaged.")
    expect(card.get_by_role("button", name="Copy link")).to_be_hidden()
    expect(card.get_by_role("button", name="Delete", exact=True)).to_be_visible()


def test_thumbnails_are_waited_for_while_the_server_stumbles(visitor: Visitor) -> None:
    visitor.expected_statuses |= {0, 503}
    answers = iter(["abort", "busy", "abort"])

    def stumble(route: Route) -> None:
        answer = next(answers, "go on")
        if answer == "abort":
            route.abort()
        elif answer == "busy":
            problem(route, 503, BUSY)
        else:
            route.continue_()

    ask_instead_of_following(visitor)
    visitor.page.route(ONE_IMAGE, stumble)
    visitor.choose(sent_file("stumble.jpg", PHOTO))
    expect(visitor.card("stumble.jpg")).to_have_attribute("data-state", "ready")


def test_thumbnails_that_take_too_long_can_be_looked_for_again_and_the_link_works_meanwhile(
    browser: Browser, product: Product
) -> None:
    with visit(browser, product) as visitor:
        visitor.page.clock.install()
        visitor.open()
        ask_instead_of_following(visitor)
        visitor.page.route(ONE_IMAGE, lambda route: route.fulfill(json={"state": "processing"}))
        visitor.choose(sent_file("long.jpg", PHOTO))
        card = visitor.card("long.jpg")
        expect(card).to_have_attribute("data-state", "processing")
        while card.get_attribute("data-state") == "processing":
            visitor.page.clock.run_for(1_000)
            visitor.page.wait_for_timeout(20)
        expect(card.get_by_text("The thumbnails take longer than usual.")).to_be_visible()
        expect(card.get_by_role("button", name="Copy link")).to_be_visible()
        visitor.page.unroute(ONE_IMAGE)
        visitor.page.clock.resume()
        card.get_by_role("button", name="Look again").click()
        expect(card).to_have_attribute("data-state", "ready")


def test_a_delete_that_fails_leaves_the_picture_and_says_why(visitor: Visitor) -> None:
    visitor.upload(sent_file("stays.jpg", samples.jpeg(seed=46)))
    visitor.expected_statuses.add(503)
    away = {"detail": "The database is away.", "code": "unavailable"}
    visitor.page.route(ONE_IMAGE, lambda route: problem(route, 503, away, retry_after="1"), times=1)
    card = visitor.card("stays.jpg")
    delete = card.get_by_role("button", name="Delete", exact=True)
    delete.click()
    expect(card.locator(".problem")).to_have_text("The database is away.")
    expect(card.get_by_role("button", name="Copy link")).to_be_visible()
    delete.click()
    expect(card).to_have_attribute("data-state", "trashed")
    visitor.page.route(ONE_IMAGE, lambda route: problem(route, 503, away, retry_after="1"), times=1)
    card.get_by_role("button", name="Delete for good").click()
    expect(card.locator(".problem")).to_have_text("The database is away.")
    card.get_by_role("button", name="Delete for good").click()
    expect(visitor.cards()).to_have_count(0)


@pytest.mark.parametrize("allowed", [True, False], ids=["selection", "by hand"])
def test_copying_works_without_the_clipboard_api(browser: Browser, product: Product, *, allowed: bool) -> None:
    with visit(browser, product) as visitor:
        visitor.page.add_init_script("delete Navigator.prototype.clipboard")
        if not allowed:
            visitor.page.add_init_script("document.execCommand = () => false")
        visitor.open()
        visitor.upload(sent_file("plain.jpg", PHOTO))
        url = visitor.image_of("plain.jpg")["url"]
        visitor.card("plain.jpg").get_by_role("button", name="Copy link").click()
        field = visitor.page.get_by_label("Copy this yourself")
        if allowed:
            visitor.announced("Copied: link of plain.jpg.")
            visitor.page.evaluate("document.body.append(document.createElement('textarea'))")
            visitor.page.locator("textarea").focus()
            visitor.page.keyboard.press("Control+V")
            assert visitor.page.locator("textarea").input_value() == url
        else:
            expect(field).to_be_focused()
            assert visitor.page.evaluate("getSelection().toString()") == url


def test_without_storage_uploads_work_and_the_page_says_that_it_keeps_no_list(
    browser: Browser, product: Product
) -> None:
    with visit(browser, product) as visitor:
        visitor.page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full') }")
        visitor.open()
        visitor.upload(sent_file("fleeting.jpg", PHOTO))
        expect(visitor.page.get_by_text("This browser keeps no list.")).to_be_visible()


def test_a_damaged_list_is_no_obstacle(visitor: Visitor) -> None:
    visitor.page.evaluate("localStorage.setItem('tintype.uploads', '[{\"image\": 3}, null')")
    visitor.page.reload()
    visitor.upload(sent_file("fresh.jpg", PHOTO))
    visitor.page.reload()
    expect(visitor.cards("ready")).to_have_count(1)
