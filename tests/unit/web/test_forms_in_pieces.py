"""Forms of every shape, cut into every sort of pieces: what goes in is what is read."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz_parsers import read_form
from raw_http import BOUNDARY, form_end, part
from tintype.domain.errors import Code

FILE = part("file", b"\xff\xd8\xff" + bytes(90), filename="a.jpg")

words = st.text(
    st.characters(exclude_characters="\0\r\n,", exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=30
)
almost_boundaries = st.sampled_from([b"\r\n", b"\r", b"\r\n--", f"\r\n--{BOUNDARY[:-1]}".encode(), b"--", b"\r\n\r\n"])
joined = st.lists(st.binary(max_size=40) | almost_boundaries, max_size=8).map(b"".join)
contents = joined.filter(lambda content: f"\r\n--{BOUNDARY}".encode() not in content)  # a client draws another then


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [piece for piece in [*pieces, data[at:]] if piece]


@settings(max_examples=200, deadline=None)
@given(
    file=contents,
    title=st.none() | words,
    tags=st.lists(words, max_size=4, unique=True),
    before=st.booleans(),
    sizes=st.lists(st.integers(1, 60), max_size=40),
)
def test_a_sound_form_is_read_as_it_was_written(
    file: bytes,
    title: str | None,
    tags: list[str],
    before: bool,  # noqa: FBT001 -- drawn
    sizes: list[int],
) -> None:
    fields = [part("title", title.encode())] if title else []
    fields += [part("tags", tag.encode()) for tag in tags]
    parts = (
        [*fields, part("file", file, filename="a.jpg")] if before else [part("file", file, filename="a.jpg"), *fields]
    )
    outcome = asyncio.run(read_form(cut(b"".join(parts) + form_end(), sizes)))
    assert outcome == ("read", file, "image", title, None, tuple(tags), None)


@pytest.mark.parametrize("size", [1, 7, 40, 10_000])
@pytest.mark.parametrize(
    ("before", "read"), [(b"", True), (b"\r\n", True), (b"x\r\n", False), (b"\r" + bytes(60) + b"amble\x0f\n", False)]
)
def test_a_form_begins_with_its_first_boundary(before: bytes, read: bool, size: int) -> None:  # noqa: FBT001 -- a parameter
    body = before + FILE + form_end()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    outcome = asyncio.run(read_form(pieces))
    assert outcome[0] == ("read" if read else Code.REQUEST_UNREADABLE)
