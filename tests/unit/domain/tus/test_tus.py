import base64
import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.errors import Code, Kind, Problem
from tintype.domain.tus.appending import Append, Stand, permit, read_append
from tintype.domain.tus.checksum import ALGORITHMS, Checksum, Summing, parse_checksum
from tintype.domain.tus.concatenation import Partial, Whole, parse_concat
from tintype.domain.tus.creation import read_creation
from tintype.domain.tus.metadata import parse_metadata
from tintype.domain.tus.protocol import MEDIA_TYPE, announcement, method_meant, refuse_other_version
from tintype.domain.tus.status import Status, progress_headers, status_headers

PATH = "/api/v1/tus"
MAX = 1_000
BYTES = {"content-type": MEDIA_TYPE}

keys = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1)


def code_of(problem: pytest.ExceptionInfo[Problem]) -> Code:
    return problem.value.code


def written(metadata: dict[str, str]) -> str:
    """Return the header as clients write it."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}".rstrip() for key, value in metadata.items())


@given(st.dictionaries(keys, st.text(), max_size=5))
def test_metadata_that_is_written_is_read_again(metadata: dict[str, str]) -> None:
    assert parse_metadata(written(metadata)) == metadata


@given(st.text(alphabet="ab ,=AA+/é\t", max_size=30) | st.text(max_size=30))
def test_any_metadata_is_read_or_refused(text: str) -> None:
    try:
        found = parse_metadata(text)
    except Problem:
        return
    assert parse_metadata(written(found)) == found


@pytest.mark.parametrize("text", ["title", "title ", "title =", "a YQ==, a YQ==", "é YQ==", ",", "a YQ==,"])
def test_metadata_may_lack_a_value_and_nothing_else(text: str) -> None:
    if text in {"title", "title "}:
        assert parse_metadata(text) == {"title": ""}
        return
    with pytest.raises(Problem):
        parse_metadata(text)


def test_metadata_that_is_no_text_is_refused() -> None:
    with pytest.raises(Problem):
        parse_metadata("title " + base64.b64encode(b"\xff\xfe").decode())


@given(st.sampled_from(ALGORITHMS), st.binary(max_size=100))
def test_a_checksum_holds_for_its_own_bytes_alone(algorithm: str, body: bytes) -> None:
    expected = Checksum(algorithm, hashlib.new(algorithm, body).digest())
    assert parse_checksum(f"{algorithm} {base64.b64encode(expected.digest).decode()}") == expected
    summing = Summing(expected)
    for at in range(len(body)):
        summing.update(body[at : at + 1])
    summing.verify()
    summing.update(b"x")
    with pytest.raises(Problem) as refused:
        summing.verify()
    assert (code_of(refused), refused.value.kind) == (Code.UPLOAD_CHECKSUM_MISMATCH, Kind.CHECKSUM_MISMATCH)


@pytest.mark.parametrize(
    "text", ["", "sha256", "sha512 AAAA", "sha1 AAAA", "md5 !!!!", "SHA1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="]
)
def test_a_checksum_that_cannot_be_checked_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_checksum(text)
    assert code_of(refused) is Code.REQUEST_UNREADABLE


def test_parts_are_named_by_path_or_by_whole_address() -> None:
    text = f"final;{PATH}/upl_a https://images.example{PATH}/upl_b"
    assert parse_concat(text, PATH) == Whole(("upl_a", "upl_b"))
    assert parse_concat("partial", PATH) == Partial()
    assert parse_concat(None, PATH) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "parts", "final", "final;", "Final;/api/v1/tus/a", "final;/api/v1/tus/", "final;/api/v1/images/a"),
        *("final;/api/v1/tus/a /api/v1/tus/a", "final;/api/v1/tus/../a", "final;http://[/api/v1/tus/a"),
        "final;" + " ".join(f"{PATH}/{number}" for number in range(101)),
    ],
)
def test_other_concatenations_are_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_concat(text, PATH)
    assert code_of(refused) is Code.REQUEST_UNREADABLE


def test_a_creation_says_its_length_or_that_it_will() -> None:
    assert read_creation({"upload-length": "5"}, collection=PATH, max_size=MAX).length == 5
    assert read_creation({"upload-defer-length": "1"}, collection=PATH, max_size=MAX).length is None
    whole = read_creation({"upload-concat": f"final;{PATH}/a"}, collection=PATH, max_size=MAX)
    assert (whole.length, whole.concat) == (None, Whole(("a",)))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, Code.REQUEST_UNREADABLE),
        ({"upload-length": "5", "upload-defer-length": "1"}, Code.REQUEST_UNREADABLE),
        ({"upload-defer-length": "2"}, Code.REQUEST_UNREADABLE),
        ({"upload-length": "-1"}, Code.REQUEST_UNREADABLE),
        ({"upload-length": "٣"}, Code.REQUEST_UNREADABLE),
        ({"upload-length": "9" * 19}, Code.REQUEST_UNREADABLE),
        ({"upload-length": "0"}, Code.UPLOAD_EMPTY),
        ({"upload-length": "1001"}, Code.IMAGE_TOO_LARGE),
        ({"upload-length": "5", "upload-concat": f"final;{PATH}/a"}, Code.REQUEST_UNREADABLE),
        ({"upload-concat": f"final;{PATH}/a", "content-length": "3", **BYTES}, Code.REQUEST_UNREADABLE),
        ({"upload-length": "5", "content-length": "3", "content-type": "image/png"}, Code.REQUEST_MEDIA_TYPE),
    ],
)
def test_other_creations_are_refused(headers: dict[str, str], code: Code) -> None:
    with pytest.raises(Problem) as refused:
        read_creation(headers, collection=PATH, max_size=MAX)
    assert code_of(refused) is code


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"content-length": "0", "content-type": "text/plain"}, False),
        ({"content-length": "0", **BYTES}, False),
        ({"content-length": "3", **BYTES}, True),
        ({"transfer-encoding": "chunked", **BYTES}, True),
        (BYTES, True),
    ],
)
def test_bytes_may_come_with_the_creation(headers: dict[str, str], expected: bool) -> None:  # noqa: FBT001 -- a parameter
    creation = read_creation({"upload-length": "5", **headers}, collection=PATH, max_size=MAX)
    assert creation.with_bytes is expected


def test_an_append_says_where_its_bytes_begin() -> None:
    assert read_append({**BYTES, "upload-offset": "7", "content-length": "3"}) == Append(7, 3, None, None)
    for headers in ({"upload-offset": "7"}, BYTES, {**BYTES, "upload-offset": "x"}):
        with pytest.raises(Problem):
            read_append(headers)


stands = st.builds(
    lambda offset, more: Stand(offset, None if more is None else offset + more),
    st.integers(0, MAX),
    st.none() | st.integers(0, 100),
)
appends = st.builds(
    Append, st.integers(0, MAX), st.none() | st.integers(0, MAX), st.none() | st.integers(0, MAX + 5), st.none()
)


@given(stands, appends)
def test_what_is_permitted_goes_on_where_the_upload_stands_and_ends_where_it_was_announced(
    stand: Stand, append: Append
) -> None:
    try:
        permitted = permit(stand, append, max_size=MAX)
    except Problem:
        return
    assert append.offset == stand.offset
    assert permitted.room >= (append.size or 0)
    assert stand.offset + permitted.room == (MAX if permitted.length is None else permitted.length)
    assert permitted.length in ({stand.length} if stand.length is not None else {None, append.length})


@pytest.mark.parametrize(
    ("stand", "append", "code"),
    [
        (Stand(5, 9), Append(4, 1, None, None), Code.UPLOAD_OFFSET_CONFLICT),
        (Stand(5, 9), Append(6, 1, None, None), Code.UPLOAD_OFFSET_CONFLICT),
        (Stand(5, 9), Append(5, 5, None, None), Code.REQUEST_TOO_LARGE),
        (Stand(5, 9), Append(5, 1, 8, None), Code.REQUEST_UNREADABLE),
        (Stand(5, None), Append(5, 1, 4, None), Code.REQUEST_UNREADABLE),
        (Stand(0, None), Append(0, None, 0, None), Code.UPLOAD_EMPTY),
        (Stand(5, None), Append(5, 1, 1_001, None), Code.IMAGE_TOO_LARGE),
        (Stand(9, 9, final=True), Append(9, 0, None, None), Code.AUTH_FORBIDDEN),
    ],
)
def test_other_appends_are_refused(stand: Stand, append: Append, code: Code) -> None:
    with pytest.raises(Problem) as refused:
        permit(stand, append, max_size=MAX)
    assert code_of(refused) is code


def test_only_the_version_that_we_speak_is_listened_to() -> None:
    refuse_other_version({"tus-resumable": "1.0.0"})
    for headers in ({}, {"tus-resumable": "0.2.2"}):
        with pytest.raises(Problem) as refused:
            refuse_other_version(headers)
        assert refused.value.kind is Kind.PRECONDITION_FAILED


def test_a_post_may_mean_another_method() -> None:
    assert method_meant("POST", {"x-http-method-override": "patch"}) == "PATCH"
    assert method_meant("POST", {}) == "POST"
    with pytest.raises(Problem):
        method_meant("POST", {"x-http-method-override": "PUT"})


def test_options_announce_what_there_is() -> None:
    announced = announcement(42)
    assert announced["tus-max-size"] == "42"
    assert "concatenation" in announced["tus-extension"].split(",")
    assert announced["tus-checksum-algorithm"] == "sha256,sha1,md5"


def test_the_head_tells_everything_and_the_end_of_an_upload_that_may_end() -> None:
    ends = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)
    shown = status_headers(Status(Stand(5, None), "title YQ==", "partial", ends))
    assert shown == {
        "upload-offset": "5",
        "upload-defer-length": "1",
        "upload-metadata": "title YQ==",
        "upload-concat": "partial",
        "upload-expires": "Sat, 21 Nov 2026 01:02:03 GMT",
        "cache-control": "no-store",
    }
    assert progress_headers(Status(Stand(5, 5), expires_at=ends, image="img_a")) == {
        "upload-offset": "5",
        "tintype-image": "img_a",
    }
