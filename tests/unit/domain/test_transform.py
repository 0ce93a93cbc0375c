import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.format import Format
from tintype.domain.keys import original_key, variant_key, variant_prefix
from tintype.domain.transform import (
    BadTransform,
    Fit,
    Output,
    Preset,
    Recipe,
    Transform,
    parse_transform,
    recipe_from_json,
)

transforms = st.builds(Transform, st.integers(1, 4096), st.integers(1, 4096), st.sampled_from(Fit), st.integers(1, 100))
presets = st.builds(Preset, st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), transforms, eager=st.booleans())


@given(transforms)
def test_a_transform_comes_back_from_its_canonical_text(transform: Transform) -> None:
    assert parse_transform(transform.canonical) == transform


@pytest.mark.parametrize("text", ["", "w_1", "w_1,h_1,fit_cover", "w_01,h_1,fit_cover,q_80", "w_1,h_1,fit_x,q_80"])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(BadTransform):
        parse_transform(text)


@given(
    st.lists(presets, unique_by=lambda preset: preset.name, max_size=5), st.lists(st.sampled_from(Format), max_size=4)
)
def test_a_recipe_comes_back_from_its_json(chosen: list[Preset], outputs: list[Format]) -> None:
    recipe = Recipe(tuple(chosen), tuple(outputs))
    assert recipe_from_json(json.loads(json.dumps(recipe.as_json()))) == recipe


def test_every_parameter_changes_the_digest() -> None:
    base = Output(Transform(150, 150), Format.JPEG)
    others = [
        Output(replace(base.transform, width=151), Format.JPEG),
        Output(replace(base.transform, height=151), Format.JPEG),
        Output(replace(base.transform, fit=Fit.INSIDE), Format.JPEG),
        Output(replace(base.transform, quality=81), Format.JPEG),
        Output(base.transform, Format.WEBP),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 6


def test_an_encoder_change_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output(Transform(150, 150), Format.JPEG)
    before = output.digest
    monkeypatch.setattr("tintype.domain.transform.ENCODER_VERSION", 999)
    assert output.digest != before


def test_the_eager_variants_are_each_eager_preset_in_each_format() -> None:
    recipe = Recipe(
        (Preset("thumb", Transform(150, 150)), Preset("large", Transform(2048, 2048, Fit.DOWN), eager=False)),
        (Format.JPEG, Format.WEBP),
    )
    assert [(variant.preset, variant.output.format) for variant in recipe.eager] == [
        ("thumb", Format.JPEG),
        ("thumb", Format.WEBP),
    ]


def test_keys_are_lower_case_paths_of_what_made_a_file_and_what_came_out() -> None:
    sha256, file_sha256 = bytes(range(32)), bytes(range(32, 64))
    key = variant_key(tenant=255, preset="thumb", sha256=sha256, digest="d1", file_sha256=file_sha256, fmt=Format.JPEG)
    assert original_key(255, sha256) == f"ff/original/00/01/{sha256.hex()}"
    assert key == f"ff/thumb/00/01/{sha256.hex()}-d1-2021222324252627.jpg"
    assert key.startswith(variant_prefix(255, "thumb", sha256))
