"""The life of an upload, its parts, and the addresses that take its bytes."""

from itertools import product as every

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.errors import Code, Problem
from tintype.domain.image import IllegalMove
from tintype.domain.keys import parse_staging_key, staged_object_key, staged_part_key, staging_prefix
from tintype.domain.parts import (
    MAX_PARTS,
    MIN_PART_BYTES,
    check_number,
    count_of,
    length_of,
    part_size_of,
    refuse_unless_named,
    refuse_unless_whole,
)
from tintype.domain.upload import ENDED, Part, UploadState, move, sources_of
from tintype.domain.upload_link import Bound, UploadSignature, upload_link
from tintype.ports.blobs import check_key, check_prefix

KEY = b"k" * 32
BOUND = Bound("/api/v1/uploads/upl_x/content", 100, "image/jpeg", b"\1" * 32)


def test_an_upload_that_has_ended_stays_so() -> None:
    for state, to in every(ENDED, UploadState):
        with pytest.raises(IllegalMove):
            move(state, to)


def test_what_is_promised_never_expires_and_only_it_becomes_an_image() -> None:
    assert sources_of(UploadState.EXPIRED) == (UploadState.REQUESTED, UploadState.RECEIVING)
    assert sources_of(UploadState.COMMITTED) == (UploadState.RECEIVED,)


@given(st.integers(min_value=1, max_value=5 * 2**40))
def test_parts_are_what_s3_takes_and_make_up_the_file(size: int) -> None:
    part_size = part_size_of(size)
    count = count_of(size, part_size)
    assert part_size >= MIN_PART_BYTES
    assert 1 <= count <= MAX_PARTS
    assert (count - 1) * part_size + length_of(count, size, part_size) == size
    assert 1 <= length_of(count, size, part_size) <= part_size
    for number in (0, count + 1):
        with pytest.raises(Problem):
            check_number(number, size, part_size)


def parts(*numbers: int) -> list[Part]:
    return [Part(number, 1, bytes([number]) * 32) for number in numbers]


def code_of(named: list[tuple[int, str]], there: list[Part]) -> Code | None:
    try:
        refuse_unless_named(named, there)
    except Problem as problem:
        return problem.code
    return None


def test_parts_are_named_once_in_order_all_of_them_and_by_their_etags() -> None:
    there = parts(1, 2, 3)
    named = [(part.number, f'"{part.etag}"') for part in there]
    assert code_of(named, there) is None
    for wrong in (named[::-1], [*named, named[-1]], named[:2], [named[0], named[1], (3, named[1][1])]):
        assert code_of(wrong, there) is Code.UPLOAD_PARTS_INVALID
    assert code_of(named, there[:2]) is Code.UPLOAD_BYTES_MISSING


def test_what_is_missing_is_named() -> None:
    refuse_unless_whole(25, 10, parts(1, 2, 3))
    with pytest.raises(Problem, match="Part 2 is missing"):
        refuse_unless_whole(25, 10, parts(1, 3))
    with pytest.raises(Problem, match="Parts 1, 3 are missing"):
        refuse_unless_whole(25, 10, parts(2))


def shown(link: str) -> UploadSignature:
    query = dict(pair.split("=", 1) for pair in link.partition("?")[2].split("&"))
    signature = UploadSignature.parse(query["exp"], query["sig"])
    assert signature is not None
    return signature


def test_an_address_opens_what_it_was_signed_for_and_nothing_else() -> None:
    signature = shown(upload_link(KEY, BOUND, 1_900_000_000))
    assert signature.opens(KEY, BOUND)
    assert not signature.opens(b"l" * 32, BOUND)
    assert not UploadSignature(signature.expires + 1, signature.mac).opens(KEY, BOUND)
    assert not UploadSignature(signature.expires, signature.mac + "A").opens(KEY, BOUND)
    for other in (
        Bound("/api/v1/uploads/upl_y/content", 100, "image/jpeg", b"\1" * 32),
        Bound(BOUND.path, 101, "image/jpeg", b"\1" * 32),
        Bound(BOUND.path, 100, "image/png", b"\1" * 32),
        Bound(BOUND.path, 100, None, b"\1" * 32),
        Bound(BOUND.path, 100, "image/jpeg", None),
    ):
        assert not signature.opens(KEY, other)


@pytest.mark.parametrize(("exp", "sig"), [(None, "x"), ("1", None), ("0", "x"), ("-1", "x"), ("1e9", "x")])
def test_what_is_no_signature_is_none(exp: str | None, sig: str | None) -> None:
    assert UploadSignature.parse(exp, sig) is None


@given(
    st.integers(min_value=1, max_value=2**63 - 1),
    st.integers(min_value=0, max_value=2**63 - 1),
    st.integers(min_value=0, max_value=2**40),
    st.binary(min_size=32, max_size=32),
)
def test_staged_keys_are_blobs_keys_and_say_whose_they_are(tenant: int, upload: int, number: int, sha: bytes) -> None:
    for key in (staged_part_key(tenant, upload, number, sha), staged_object_key(tenant, upload)):
        check_key(key)
        assert key.startswith(staging_prefix(tenant, upload))
        assert parse_staging_key(key) == (tenant, upload)
    check_prefix(staging_prefix(tenant, upload))
    assert parse_staging_key(f"{staging_prefix(tenant, upload)}other") is None
