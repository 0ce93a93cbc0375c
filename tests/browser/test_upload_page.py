import re

import pytest
from playwright.sync_api import Browser, Locator, expect

import samples
from product import Product
from upload_page import Visitor, sent_file, visit

pytestmark = pytest.mark.chromium

PHOTO = samples.jpeg(800, 600, seed=1)
SLOW = 250_000
"""Bytes per second: so slow that there is something to see."""


def noise_file(name: str, width: int = 1000, height: int = 700) -> bytes:
    """Return a JPEG of about 0.6 MB that is like no other."""
    return samples.jpeg(image=samples.noise(width, height, seed=hash(name) % 1000))


def shown_width(picture: Locator) -> int:
    """Return the width in pixels of the file that the browser shows there."""
    return int(picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }"))


def test_a_chosen_file_becomes_a_thumbnail_a_link_and_is_deleted_for_good(visitor: Visitor, product: Product) -> None:
    visitor.choose(sent_file("sunset.jpg", PHOTO))
    card = visitor.card("sunset.jpg")
    expect(card).to_have_attribute("data-state", "ready")
    expect(card.locator(".meta")).to_contain_text("800 × 600 · JPEG · ")
    picture = card.locator(".picture img")
    expect(picture).to_have_attribute("src", re.compile(r"^/i/img_\w{22}/medium\?v=1$"))
    assert shown_width(picture) > 0
    image = visitor.image_of("sunset.jpg")

    card.get_by_role("button", name="Copy link").click()
    visitor.announced("Copied: link of sunset.jpg.")
    assert visitor.clipboard() == image["url"]
    assert product.stranger.get(image["url"]).status_code == 200

    card.get_by_role("button", name="Delete", exact=True).click()
    expect(card).to_have_attribute("data-state", "trashed")
    visitor.announced("sunset.jpg is deleted. Undo brings it back.")
    card.get_by_role("button", name="Delete for good").click()
    expect(visitor.cards()).to_have_count(0)
    visitor.announced("sunset.jpg is deleted for good.")
    assert product.stranger.get(f"/api/v1/images/{image['id']}").status_code == 410
    assert product.stranger.get(image["url"]).status_code == 410


def test_the_list_of_sizes_lets_the_browser_take_the_smallest_thumbnail_that_is_sharp(visitor: Visitor) -> None:
    visitor.upload(sent_file("sizes.jpg", PHOTO))
    sizes = visitor.card("sizes.jpg").locator(".picture img").get_attribute("srcset") or ""
    assert re.fullmatch(r"/i/\w+/thumb\?v=1 150w, /i/\w+/gallery\?v=1 300w, /i/\w+/medium\?v=1 600w", sizes)


def test_markdown_html_and_the_thumbnail_are_copied_ready_to_paste(visitor: Visitor) -> None:
    visitor.upload(sent_file('my "best" [day].jpg', PHOTO))
    card, image = visitor.cards().first, visitor.image_of('my "best" [day].jpg')
    copied: dict[str, str] = {}
    for name in ("Markdown", "HTML", "600 px"):
        card.get_by_role("button", name=name).click()
        expect(card.get_by_role("button", name="Copied")).to_have_count(len(copied) + 1)
        copied[name] = visitor.clipboard()
    assert copied["Markdown"] == f'![my "best" \\[day\\]]({image["url"]})'
    assert copied["HTML"] == f'<img src="{image["url"]}" width="800" height="600" alt="my &#34;best&#34; [day]">'
    assert copied["600 px"] == image["thumbnails"]["medium"]


def test_several_files_are_uploaded_at_once_and_all_links_copied_in_one_go(visitor: Visitor) -> None:
    names = [f"{number}.png" for number in range(5)]
    files = [sent_file(name, samples.png(seed=10 + index), "image/png") for index, name in enumerate(names)]
    visitor.upload(*files)
    assert visitor.cards().locator(".name").all_inner_texts() == names
    visitor.page.get_by_role("button", name="Copy all links").click()
    visitor.announced("Copied: 5 links.")
    assert visitor.clipboard().split("\n") == [visitor.image_of(name)["url"] for name in names]


def test_three_files_are_sent_at_a_time_and_the_others_are_shown_as_waiting(visitor: Visitor) -> None:
    visitor.slow_down(SLOW)
    visitor.choose(*(sent_file(name, noise_file(name)) for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")))
    expect(visitor.cards("sending")).to_have_count(3)
    expect(visitor.cards("waiting")).to_have_count(2)
    visitor.slow_down(-1)
    expect(visitor.cards("ready")).to_have_count(5)


def test_the_progress_of_each_file_moves_and_the_picture_is_seen_before_it_is_sent(visitor: Visitor) -> None:
    visitor.slow_down(SLOW)
    visitor.choose(sent_file("slow.jpg", noise_file("slow")))
    card = visitor.card("slow.jpg")
    expect(card.locator(".picture img")).to_have_attribute("src", re.compile("^blob:"))
    assert shown_width(card.locator(".picture img")) == 1000
    seen = {0.0}
    progress = card.get_by_role("progressbar", name="Sending slow.jpg")
    while progress.is_visible():
        seen.add(float(progress.evaluate("(bar) => bar.value")))
        visitor.page.wait_for_timeout(50)
    assert len({value for value in seen if 0 < value < 100}) >= 3
    expect(card).to_have_attribute("data-state", "ready")


def test_an_upload_is_cancelled_while_it_runs_and_can_be_taken_up_again(visitor: Visitor, product: Product) -> None:
    before = product.query("SELECT count(*) FROM images")
    visitor.slow_down(SLOW)
    visitor.choose(sent_file("stop.jpg", noise_file("stop")))
    card = visitor.card("stop.jpg")
    expect(card.locator(".meta")).to_have_text(re.compile(r"Sending, [1-9]\d? %"))
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_have_attribute("data-state", "cancelled")
    visitor.slow_down(-1)
    assert product.query("SELECT count(*) FROM images") == before
    visitor.expected_statuses.add(0)  # the browser calls an aborted request failed
    card.get_by_role("button", name="Retry").click()
    expect(card).to_have_attribute("data-state", "ready")


def test_dropped_files_are_uploaded_and_the_page_shows_that_it_takes_them(visitor: Visitor) -> None:
    veil = visitor.page.locator("#drop-veil")
    file = sent_file("dropped.webp", samples.webp(), "image/webp")
    visitor.drop(file, event="dragenter")
    expect(veil).to_be_visible()
    visitor.drop(file, event="dragleave")
    expect(veil).to_be_hidden()
    visitor.drop(file, event="dragenter")
    visitor.drop(file)
    expect(veil).to_be_hidden()
    expect(visitor.card("dropped.webp")).to_have_attribute("data-state", "ready")


def test_a_pasted_picture_is_uploaded(visitor: Visitor) -> None:
    visitor.paste(sent_file("image.png", samples.png(seed=3), "image/png"))
    expect(visitor.card("Pasted picture.png")).to_have_attribute("data-state", "ready")


def test_an_animation_says_how_many_frames_it_has(visitor: Visitor) -> None:
    visitor.upload(sent_file("walk.gif", samples.gif(frames=4), "image/gif"))
    expect(visitor.card("walk.gif").get_by_text("4 frames")).to_be_visible()


def test_a_reload_keeps_the_list_and_the_right_to_delete(visitor: Visitor, product: Product) -> None:
    visitor.upload(sent_file("first.jpg", samples.jpeg(seed=20)))
    visitor.upload(sent_file("second.jpg", samples.jpeg(seed=21)))
    image = visitor.image_of("first.jpg")
    visitor.page.reload()
    expect(visitor.cards("ready")).to_have_count(2)
    assert visitor.cards().locator(".name").all_inner_texts() == ["second.jpg", "first.jpg"]
    assert shown_width(visitor.card("first.jpg").locator(".picture img")) > 0
    visitor.card("first.jpg").get_by_role("button", name="Delete", exact=True).click()
    visitor.card("first.jpg").get_by_role("button", name="Delete for good").click()
    expect(visitor.cards()).to_have_count(1)
    assert product.stranger.get(f"/api/v1/images/{image['id']}").status_code == 410
    visitor.page.reload()
    expect(visitor.cards()).to_have_count(1)


def test_the_list_is_of_the_last_fifty(visitor: Visitor) -> None:
    visitor.upload(sent_file("one.jpg", PHOTO))
    visitor.page.evaluate("""() => {
      const [entry] = JSON.parse(localStorage.getItem("tintype.uploads"));
      const older = (index) => ({ ...entry, added: entry.added - index, name: `${index}.jpg`,
                                  image: { ...entry.image, id: entry.image.id.slice(0, -2) + (10 + index) } });
      localStorage.setItem("tintype.uploads", JSON.stringify(Array.from({ length: 60 }, (_, index) => older(index))));
    }""")
    visitor.upload(sent_file("newest.jpg", samples.jpeg(seed=22)))
    kept = visitor.page.evaluate("JSON.parse(localStorage.getItem('tintype.uploads')).map((entry) => entry.name)")
    assert (len(kept), kept[0], kept[-1]) == (50, "newest.jpg", "48.jpg")


def test_a_picture_that_was_deleted_elsewhere_says_so_once_and_is_forgotten(visitor: Visitor, product: Product) -> None:
    visitor.upload(sent_file("gone.jpg", samples.jpeg(seed=23)))
    product.client.delete(f"/api/v1/images/{visitor.image_of('gone.jpg')['id']}?purge=true").raise_for_status()
    visitor.expected_statuses |= {404, 410}
    visitor.page.reload()
    expect(visitor.card("gone.jpg").get_by_text("It was deleted. Nothing of it is left.")).to_be_visible()
    visitor.page.reload()
    expect(visitor.page.get_by_role("heading", name="Drop a picture.")).to_be_visible()
    expect(visitor.cards()).to_have_count(0)


def test_what_one_browser_uploaded_another_does_not_list(visitor: Visitor, browser: Browser, product: Product) -> None:
    visitor.upload(sent_file("mine.jpg", samples.jpeg(seed=24)))
    with visit(browser, product) as other:
        other.open()
        expect(other.page.get_by_role("button", name="Choose pictures")).to_be_visible()
        expect(other.cards()).to_have_count(0)


def test_a_delete_is_undone_in_place(visitor: Visitor, product: Product) -> None:
    visitor.upload(sent_file("keep.jpg", samples.jpeg(seed=25)))
    card, image = visitor.card("keep.jpg"), visitor.image_of("keep.jpg")
    delete = card.get_by_role("button", name="Delete", exact=True)
    undo = card.get_by_role("button", name="Undo")
    delete.click()
    expect(undo).to_be_focused()
    expect(card.get_by_role("button", name="Copy link")).to_be_hidden()
    assert product.stranger.get(image["url"]).status_code == 404
    visitor.page.keyboard.press("Enter")
    expect(card).to_have_attribute("data-state", "ready")
    visitor.announced("keep.jpg is back.")
    expect(card.get_by_role("button", name="Copy link")).to_be_focused()
    assert product.stranger.get(image["url"]).status_code == 200


def test_what_was_deleted_can_be_undone_after_a_reload(visitor: Visitor, product: Product) -> None:
    visitor.upload(sent_file("later.jpg", samples.jpeg(seed=26)))
    image = visitor.image_of("later.jpg")
    visitor.card("later.jpg").get_by_role("button", name="Delete", exact=True).click()
    expect(visitor.card("later.jpg")).to_have_attribute("data-state", "trashed")
    visitor.page.reload()
    expect(visitor.card("later.jpg")).to_have_attribute("data-state", "trashed")
    visitor.card("later.jpg").get_by_role("button", name="Undo").click()
    expect(visitor.card("later.jpg")).to_have_attribute("data-state", "ready")
    assert shown_width(visitor.card("later.jpg").locator(".picture img")) > 0
    assert product.stranger.get(image["url"]).status_code == 200


def test_what_was_put_into_the_trash_elsewhere_can_be_undone_here(visitor: Visitor, product: Product) -> None:
    visitor.upload(sent_file("elsewhere.jpg", samples.jpeg(seed=27)))
    product.client.delete(f"/api/v1/images/{visitor.image_of('elsewhere.jpg')['id']}").raise_for_status()
    visitor.expected_statuses.add(404)
    visitor.page.reload()
    visitor.card("elsewhere.jpg").get_by_role("button", name="Undo").click()
    expect(visitor.card("elsewhere.jpg")).to_have_attribute("data-state", "ready")


def test_a_deleted_picture_that_is_dismissed_is_forgotten(visitor: Visitor) -> None:
    visitor.upload(sent_file("away.jpg", samples.jpeg(seed=28)))
    visitor.card("away.jpg").get_by_role("button", name="Delete", exact=True).click()
    visitor.card("away.jpg").get_by_role("button", name="Dismiss").click()
    expect(visitor.cards()).to_have_count(0)
    visitor.page.reload()
    expect(visitor.page.get_by_role("heading", name="Drop a picture.")).to_be_visible()


def test_the_page_says_what_the_settings_allow(visitor: Visitor) -> None:
    lead = visitor.page.locator(".lead")
    expect(lead).to_contain_text("JPEG, PNG, GIF or WebP, up to 10 MB.")
    expect(lead).to_contain_text("Location and camera data are removed")


def test_the_hint_for_scripts_has_ten_lines_with_the_address_of_this_server(visitor: Visitor) -> None:
    visitor.page.get_by_text("From a script").click()
    hint = visitor.page.locator("#curl").inner_text()
    assert len(hint.splitlines()) == 10
    assert f"curl -F file=@photo.jpg {visitor.product.base_url}/api/v1/images" in hint
