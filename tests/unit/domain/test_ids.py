import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.ids import (
    BUCKETS,
    EPOCH_MS,
    NOISE,
    BadId,
    ImageRef,
    base62,
    blob_bucket,
    bucket_of,
    from_base62,
    make_id,
    public_id,
)

moments = st.integers(EPOCH_MS, EPOCH_MS + (1 << 41) - 1)
buckets = st.integers(0, BUCKETS - 1)
noises = st.integers(0, NOISE - 1)


@given(moments, buckets, noises)
def test_an_id_says_when_it_was_drawn_and_where_it_lives(now: int, bucket: int, noise: int) -> None:
    drawn = make_id(now, bucket, noise)
    assert (drawn >> 22, bucket_of(drawn)) == (now - EPOCH_MS, bucket)
    assert 0 <= drawn < 1 << 63


@given(moments, buckets, noises, st.integers(1, 1000))
def test_a_later_id_is_greater_whatever_its_bucket(now: int, bucket: int, noise: int, later: int) -> None:
    if now + later < EPOCH_MS + (1 << 41):
        assert make_id(now + later, 0, 0) > make_id(now, bucket, noise)


@pytest.mark.parametrize("arguments", [(EPOCH_MS - 1, 0, 0), (EPOCH_MS, BUCKETS, 0), (EPOCH_MS, 0, NOISE)])
def test_what_does_not_fit_an_id_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no id for"):
        make_id(*arguments)


@given(st.integers(0, (1 << 63) - 1))
def test_a_public_id_is_its_prefix_and_the_id_in_eleven_digits(value: int) -> None:
    text = public_id("acc_", value)
    assert (text[:4], len(text), from_base62(text[4:])) == ("acc_", 15, value)


@given(st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 63) - 1))
def test_public_ids_sort_as_the_ids_do(one: int, other: int) -> None:
    assert (base62(one) < base62(other)) == (one < other)


@given(st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 64) - 1))
def test_an_image_reference_comes_back_whole(image_id: int, secret: int) -> None:
    assert ImageRef.parse(str(ImageRef(image_id, secret))) == ImageRef(image_id, secret)


@given(st.text(max_size=40))
def test_any_other_text_is_no_image_reference(text: str) -> None:
    try:
        ref = ImageRef.parse(text)
    except BadId:
        return
    assert str(ref) == text


@pytest.mark.parametrize(
    "text", ["", "img_", "acc_" + "0" * 22, "img_" + "0" * 21, "img_" + "z" * 22, "img_" + "0" * 21 + "é"]
)
def test_a_reference_of_the_wrong_shape_is_refused(text: str) -> None:
    with pytest.raises(BadId):
        ImageRef.parse(text)


def test_base62_refuses_what_does_not_fit_or_is_no_digit() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        base62(62**2, width=2)
    with pytest.raises(BadId):
        from_base62("a-b")


@given(st.binary(min_size=32, max_size=32))
def test_a_blob_lives_in_the_first_thirteen_bits_of_its_hash(sha256: bytes) -> None:
    assert blob_bucket(sha256) == int.from_bytes(sha256, "big") >> (256 - 13)
