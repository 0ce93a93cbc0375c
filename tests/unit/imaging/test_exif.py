import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exif_samples
from tintype.imaging import exif


def block(kind: int, count: int, value: int, order: str = "<") -> bytes:
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IHHHIH2xI", 8, 1, 0x0112, kind, count, value, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("big_endian", [False, True])
def test_orientation_is_read_in_both_byte_orders_and_amid_other_tags(orientation: int, *, big_endian: bool) -> None:
    tiff = exif_samples.block(orientation, gps=True, canary=b"canary", big_endian=big_endian)
    assert exif.orientation_of(tiff) == orientation


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_an_orientation_that_there_is_not_means_upright(value: int) -> None:
    assert exif.orientation_of(block(3, 1, value)) == exif.UPRIGHT


@pytest.mark.parametrize(("kind", "count"), [(4, 1), (3, 2), (1, 1), (3, 0)])
def test_only_one_short_is_an_orientation_as_in_browsers(kind: int, count: int) -> None:
    assert exif.orientation_of(block(3, 1, 6)) == 6
    assert exif.orientation_of(block(kind, count, 6)) == exif.UPRIGHT


@given(st.binary(max_size=200))
def test_nonsense_is_upright(noise: bytes) -> None:
    assert exif.orientation_of(noise) in range(1, 9)


@given(
    start=st.sampled_from([b"II*\0", b"MM\0*"]),
    offset=st.one_of(st.integers(0, 64), st.integers(0, 2**32 - 1)).map(lambda number: struct.pack("<I", number)),
    rest=st.binary(max_size=100),
)
def test_wild_offsets_and_counts_are_upright_or_an_orientation(start: bytes, offset: bytes, rest: bytes) -> None:
    assert exif.orientation_of(start + offset + rest) in range(1, 9)


@pytest.mark.parametrize("length", range(20))
def test_a_block_cut_short_is_upright(length: int) -> None:
    assert exif.orientation_of(exif.orientation_block(6)[:length]) == exif.UPRIGHT


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_rebuilt_block_holds_the_orientation_and_nothing_else(orientation: int) -> None:
    rebuilt = exif.orientation_block(orientation)
    assert exif.orientation_of(rebuilt) == orientation
    assert rebuilt == exif_samples.block(orientation)


def test_only_quarter_turns_exchange_width_and_height() -> None:
    assert [exif.oriented(3, 2, orientation) for orientation in range(1, 9)] == [(3, 2)] * 4 + [(2, 3)] * 4
