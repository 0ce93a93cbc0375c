from typing import Any

import pytest

from tintype.kind_settings import MAX_OWN_TABLES, KindTables
from tintype.settings import load_settings

TABLES = load_settings(file=None, environment={}, flags={}).kind_tables


def test_a_tenant_s_tables_are_laid_over_the_installation_s_word_by_word() -> None:
    kinds, complaints = TABLES.overlaid({"presets": {"thumb": {"width": 10}}, "kinds": {"avatar": {"max_frames": 3}}})
    assert complaints == []
    thumb = kinds["image"].recipe.preset("thumb")
    assert thumb is not None
    assert (thumb.transform.width, thumb.transform.height) == (10, 150)
    assert (kinds["avatar"].limits.max_frames, kinds["avatar"].limits.max_bytes) == (3, 5_000_000)


def test_no_tenant_changes_what_the_next_one_gets() -> None:
    TABLES.overlaid({"kinds": {"image": {"presets": ["thumb"]}, "mine": {}}})
    kinds, _ = TABLES.overlaid({})
    assert "mine" not in kinds
    assert len(kinds["image"].recipe.presets) == 4


@pytest.mark.parametrize("limit", ["max_bytes", "max_pixels", "max_frames"])
def test_a_tenant_s_limit_above_the_installation_s_is_named_and_not_given(limit: str) -> None:
    kinds, complaints = TABLES.overlaid({"kinds": {"mine": {limit: 99_999_999 if limit != "max_frames" else 501}}})
    assert [path for path, _ in complaints] == [f"kinds.mine.{limit}"]
    assert getattr(kinds["mine"].limits, limit) == getattr(kinds["image"].limits, limit)


@pytest.mark.parametrize(
    ("own", "path"),
    [
        ({"limits": {}}, "limits"),
        ({"kinds": []}, "kinds"),
        ({"kinds": {"a.b": {}}}, "kinds.a.b"),
        ({"kinds": {"x": {"presets": ["none"]}}}, "kinds.x.presets"),
        ({"kinds": {"x": {"tint": "red"}}}, "kinds.x.tint"),
        ({"presets": {"x": {"width": 1}}}, "presets.x"),
        ({"kinds": {str(number): {} for number in range(MAX_OWN_TABLES + 1)}}, "kinds"),
        (
            {"presets": {f"p{n}": {"width": 1, "height": 1} for n in range(30)}}
            | {"kinds": {"x": {"presets": [f"p{n}" for n in range(30)]}}},
            "kinds.x.presets",
        ),
    ],
)
def test_what_cannot_be_used_is_named(own: dict[str, Any], path: str) -> None:
    _, complaints = TABLES.overlaid(own)
    assert [found for found, _ in complaints] == [path]


def test_a_tenant_s_kind_outlives_a_preset_that_the_installation_takes_away() -> None:
    fewer = KindTables({name: table for name, table in TABLES.presets.items() if name != "large"}, {"image": {}})
    kinds, complaints = fewer.overlaid({"kinds": {"mine": {"presets": ["large"]}}})
    assert [path for path, _ in complaints] == ["kinds.mine.presets"]
    assert kinds["mine"].recipe.presets == ()
