import pytest
from playwright.sync_api import expect

from product import Product
from tintype.domain.errors import Code
from upload_page import Visitor

pytestmark = pytest.mark.chromium

METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def test_the_reference_has_every_operation_of_the_document(visitor: Visitor, product: Product) -> None:
    paths = product.stranger.get("/openapi.json").json()["paths"]
    expected = {f"{method.upper()} {path}" for path, methods in paths.items() for method in METHODS & methods.keys()}
    visitor.open("/docs")
    expect(visitor.page.locator(".operation").first).to_be_visible()
    assert set(visitor.page.locator(".operation .call").all_inner_texts()) == expected
    assert len(expected) >= 5


def test_every_operation_has_its_answers_and_an_example(visitor: Visitor) -> None:
    visitor.open("/docs")
    operations = visitor.page.locator(".operation")
    expect(operations.first).to_be_visible()
    for operation in operations.all():
        assert operation.locator("table tbody tr").count() >= 1
        assert f" {visitor.product.base_url}/" in operation.locator("pre").inner_text()


def test_every_error_code_is_explained_where_problems_point_to(visitor: Visitor, product: Product) -> None:
    problem = product.stranger.get("/api/v1/images/nonsense").json()
    visitor.open(problem["type"])
    target = visitor.page.locator(f'[id="{problem["code"]}"]')
    expect(target).to_be_in_viewport()
    expect(target).to_be_focused()
    table = visitor.page.get_by_role("table", name="Error codes")
    assert table.locator("tbody th").all_inner_texts() == [str(code) for code in Code]
    assert table.locator("tbody tr td:last-child").all_inner_texts() == [code.summary for code in Code]


def test_the_fields_of_an_image_are_listed_with_their_types(visitor: Visitor) -> None:
    visitor.open("/docs")
    operation = visitor.page.get_by_role("article", name="Upload an image")
    operation.get_by_text("Fields of the 201 answer").click()
    row = operation.get_by_role("row", name="state processing")
    expect(row).to_contain_text("processing | ready | rejected | failed | quarantined | trashed | purged")


def test_the_contents_lead_to_each_operation(visitor: Visitor) -> None:
    visitor.open("/docs")
    visitor.page.get_by_role("navigation", name="Calls").get_by_role("link", name="Delete an image").click()
    expect(visitor.page.get_by_role("heading", name="Delete an image")).to_be_in_viewport()


def test_a_reference_that_cannot_be_loaded_says_so_and_is_tried_again(visitor: Visitor) -> None:
    visitor.expected_statuses.add(503)
    visitor.page.route("**/openapi.json", lambda route: route.fulfill(status=503), times=1)
    visitor.open("/docs")
    visitor.page.get_by_role("button", name="Try again").click()
    expect(visitor.page.locator(".operation").first).to_be_visible()


def test_a_page_answers_head_and_not_modified(product: Product) -> None:
    first = product.stranger.get("/")
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert product.stranger.head("/").headers["etag"] == first.headers["etag"]
    again = product.stranger.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_files_of_the_pages_are_assets(product: Product) -> None:
    for name in ("page.py", "..%2Fpage.py", "nothing.js"):
        assert product.stranger.get(f"/assets/{name}").status_code == 404
