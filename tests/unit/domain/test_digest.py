import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.digest import (
    LENGTHS,
    Algorithm,
    BadDigest,
    format_digest_field,
    parse_content_md5,
    parse_digest_field,
    parse_hex_sha256,
)

SHA_256 = bytes(range(32))
SHA_512 = bytes(range(64))
TEXT_256 = base64.b64encode(SHA_256).decode()

digests = st.dictionaries(
    st.sampled_from([Algorithm.SHA_256, Algorithm.SHA_512]), st.binary(min_size=64, max_size=64)
).map(lambda found: {algorithm: value[: LENGTHS[algorithm]] for algorithm, value in found.items()})


@given(digests)
def test_what_is_written_is_read_again(given_digests: dict[Algorithm, bytes]) -> None:
    assert parse_digest_field(format_digest_field(given_digests)) == given_digests


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_digest_field(text)
    except BadDigest:
        return
    assert all(len(digest) == LENGTHS[algorithm] for algorithm, digest in found.items())


@given(st.text(alphabet='sha-256=:AAa, ;\t"?1.@*x', max_size=40))
def test_any_text_of_the_grammars_own_characters_is_read_or_refused(text: str) -> None:
    try:
        parse_digest_field(text)
    except BadDigest:
        return


@given(digests, st.sampled_from(["x=1", "md5=:abc:", "unixsum=30637", "y", 'z="a, b"', "w=?0;p=tok;q"]))
def test_other_algorithms_are_passed_over_wherever_they_stand(
    given_digests: dict[Algorithm, bytes], other: str
) -> None:
    ours = format_digest_field(given_digests)
    for members in ([other, ours], [ours, other]):
        assert parse_digest_field(" , ".join(filter(None, members))) == given_digests


@pytest.mark.parametrize(
    "text",
    [
        f"sha-256=:{TEXT_256}:",
        f"  sha-256=:{TEXT_256}:  ",
        f"sha-256=:{TEXT_256.rstrip('=')}:",
        f"sha-256=:{TEXT_256}:;a=1; b",
        f"sha-256=:{base64.b64encode(bytes(32)).decode()}:,\tsha-256=:{TEXT_256}:",
    ],
    ids=["plain", "spaces", "no padding", "parameters", "the last of two"],
)
def test_a_dictionary_is_read_as_the_rfc_has_it(text: str) -> None:
    assert parse_digest_field(text) == {Algorithm.SHA_256: SHA_256}


@pytest.mark.parametrize(
    "text",
    [
        f"sha-256={TEXT_256}",
        f"sha-256=:{TEXT_256}",
        f"sha-256=:{TEXT_256}:,",
        f",sha-256=:{TEXT_256}:",
        f"sha-256=:{TEXT_256}: sha-512=:{TEXT_256}:",
        f"SHA-256=:{TEXT_256}:",
        "sha-256",
        "sha-256=::",
        "sha-256=:AAAA:",
        "sha-256=:====:",
        f"sha-512=:{TEXT_256}:",
        "sha-256=?1",
        '"sha-256"',
        "=",
    ],
)
def test_what_is_no_dictionary_of_digests_is_refused(text: str) -> None:
    with pytest.raises(BadDigest):
        parse_digest_field(text)


def test_nothing_is_no_digest() -> None:
    assert parse_digest_field("") == {}


def test_an_md5_is_sixteen_bytes_in_base64() -> None:
    assert parse_content_md5("AAECAwQFBgcICQoLDA0ODw==") == bytes(range(16))
    for bad in ("", "AAEC", "AAECAwQFBgcICQoLDA0ODw==, AAECAwQFBgcICQoLDA0ODw==", "000102030405060708090a0b0c0d0e0f"):
        with pytest.raises(BadDigest):
            parse_content_md5(bad)


@given(st.binary(min_size=32, max_size=32))
def test_a_sha256_in_hexadecimal_is_read_in_either_case(digest: bytes) -> None:
    assert parse_hex_sha256(digest.hex()) == parse_hex_sha256(digest.hex().upper()) == digest


@pytest.mark.parametrize("text", ["", "00", "g" * 64, "0" * 63, "0" * 65, " " * 64, "０" * 64])
def test_what_is_no_sha256_in_hexadecimal_is_refused(text: str) -> None:
    with pytest.raises(BadDigest):
        parse_hex_sha256(text)
