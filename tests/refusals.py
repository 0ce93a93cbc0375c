"""What every refusal has in common: a whole problem document, and nothing left behind."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from product import Product, eventually
from raw_http import Answer

_INSIDES = re.compile(r"/\w+/|psycopg|Error\b|Traceback|Exception|staging|\bNone\b")
"""What a client must never read: paths, names of drivers and exceptions."""


def assert_problem(answer: httpx.Response | Answer, status: int, code: str) -> dict[str, Any]:
    """Assert that the answer is this problem, complete and without a word about our insides; return it."""
    problem = dict(answer.json())
    assert (answer.status if isinstance(answer, Answer) else answer.status_code, problem.get("code")) == (status, code)
    assert set(problem) - {"errors"} == {"type", "title", "status", "detail", "code", "request_id"}
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"] != ""
    shown = f"{problem['title']} {problem['detail']} {problem.get('errors', '')}"
    assert not _INSIDES.search(shown), shown
    assert problem["detail"].endswith(".")
    return problem


@contextmanager
def leaves_nothing(product: Product) -> Iterator[None]:
    """Assert that after the block there are the same rows, files and open staging files as before it."""
    eventually(lambda: _remains(product)[0][-1] == 0, within=10)  # what earlier tests uploaded is in work, maybe
    before = _remains(product)
    yield
    assert eventually(lambda: _remains(product) == before), f"before {before}, now {_remains(product)}"


def _remains(product: Product) -> tuple[tuple[Any, ...], set[str], int]:
    rows = product.query(
        """SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM blobs), (SELECT count(*) FROM blob_refs),
                  (SELECT count(*) FROM variants),
                  (SELECT count(*) FROM procrastinate_jobs WHERE args ? 'tenant') -- upkeep has none"""
    )
    return rows[0], product.files("blobs", "staging"), open_staging_files(product)


def open_staging_files(product: Product) -> int:
    """Return how many files without a name the processes hold in staging: an upload that is under way has one."""
    links = (link for pid in product.children() for link in Path(f"/proc/{pid}/fd").glob("*"))
    return sum(_leads_to(link, product.data / "staging") for link in links)


def _leads_to(link: Path, directory: Path) -> bool:
    try:
        return str(link.readlink()).startswith(str(directory))  # with " (deleted)" behind it
    except FileNotFoundError:
        return False
