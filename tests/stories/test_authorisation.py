"""Every route and everybody who may ask for it: the matrix of `authorisation_matrix.py`, cell by cell, over HTTP."""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from litestar.routes import HTTPRoute

import authorisation_matrix as matrix
from actors import Asker, everybody
from authorisation_matrix import CANARY, INSIDERS, Row, Scene, ask, fits
from product import Product
from tintype.bootstrap.api import build_api
from tintype.domain.ids import ImageRef
from tintype.settings import load_settings

DELIVERY: Final = frozenset({"GET /i/{image_id}/original", "GET /i/{image_id}/thumb"})
"""Bytes do not pass through the router (`web/delivery.py`)."""

_GENERATED: Final = "/openapi"
"""Below it are pages that the framework makes of `/openapi.json`, for everybody."""


@pytest.fixture(scope="module")
def scene(product: Product) -> Iterator[Scene]:
    with everybody(product) as askers:
        yield Scene(product, askers)


def routes() -> set[str]:
    """Return every route of the application, as the table spells it. HEAD is GET, and OPTIONS tells nothing."""
    environment = {"TINTYPE_DATABASE_URL": "postgresql://localhost/nothing", "TINTYPE_SECRET_KEY": "0" * 64}
    application = build_api(load_settings(file=None, environment=environment, flags={}))
    return {
        f"{method} {route.path_format}"
        for route in application._litestar.routes
        if isinstance(route, HTTPRoute) and not f"{route.path_format}/".startswith(f"{_GENERATED}/")
        for method in route.methods - {"HEAD", "OPTIONS"}
    }


@pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")  # of how handlers are written
def test_every_route_has_its_row_and_every_row_its_route() -> None:
    declared, there = [str(row) for row in matrix.rows()], routes() | DELIVERY
    missing, stale = sorted(there - set(declared)), sorted(set(declared) - there)
    assert not missing, (
        "Nobody has said who may call these. Give each a line in TABLE of tests/authorisation_matrix.py (its docstring "
        f"tells how), with a cell for each of {', '.join(matrix.COLUMNS)}:\n" + "\n".join(missing)
    )
    assert not stale, f"TABLE of tests/authorisation_matrix.py has lines without a route: {stale}"
    assert len(declared) == len(set(declared)), "a route has two lines"


@pytest.mark.parametrize("row", matrix.rows(), ids=str)
def test_everybody_may_do_what_the_matrix_says_and_nothing_else(scene: Scene, row: Row) -> None:
    scene.anew()
    refused = [asker for asker in matrix.COLUMNS if row.outcomes[asker] not in {"ok", "in"}]
    allowed = [asker for asker in matrix.COLUMNS if asker not in refused]
    wrong = [complaint for asker in refused for complaint in complaints(scene, row, asker)]
    for asker in allowed:
        wrong += complaints(scene, row, asker)
        if row.changes:
            scene.anew()
    assert not wrong, f"{row}:\n" + "\n".join(wrong)


def complaints(scene: Scene, row: Row, asker: Asker) -> Iterator[str]:
    """Give what is wrong with the answer to this asker."""
    answer, outcome = ask(scene, row, asker), row.outcomes[asker]
    if not fits(outcome, answer.status_code):
        yield f"{asker}: declared {outcome}, answered {answer.status_code} {shown(answer)[:200]}"
    if answer.status_code == 401 and "www-authenticate" not in answer.headers:
        yield f"{asker}: a 401 without WWW-Authenticate"
    if asker not in INSIDERS and CANARY in shown(answer):
        yield f"{asker}: the answer shows a private image's title"


def shown(answer: httpx.Response) -> str:
    """Return the text of the answer, as far as it was read."""
    return "" if answer.headers.get("content-type") == "text/event-stream" else answer.text


def test_a_refused_change_changes_nothing(scene: Scene) -> None:
    scene.anew()
    before = row_of(scene)
    for row in matrix.rows():
        if row.changes and "{image_id}" in row.path and "restore" not in row.path:
            for asker in matrix.COLUMNS:
                if row.outcomes[asker] not in {"ok", "in"}:
                    ask(scene, row, asker)
    assert row_of(scene) == before


def row_of(scene: Scene) -> tuple[object, ...]:
    """Return what of the owner's image only somebody's request changes."""
    [found] = scene.product.query(
        "SELECT version, alt, visibility, hold, trashed_at, purged_at, sha256 FROM images WHERE id = %s",
        ImageRef.parse(scene.image()["id"]).id,
    )
    return found


@pytest.mark.parametrize(
    ("outcome", "status", "fitting"),
    [
        ("ok", 200, True),
        ("ok", 404, False),
        ("ok", 409, False),
        ("in", 409, True),
        ("in", 403, False),
        ("in", 500, False),
        ("404", 404, True),
        ("404", 403, False),
        ("401", 200, False),
    ],
)
def test_a_cell_is_held_to_its_word(outcome: str, status: int, fitting: bool) -> None:  # noqa: FBT001 -- a parameter of pytest's
    assert fits(outcome, status) is fitting
