import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.format import Format
from tintype.domain.keys import StoredKey, original_key, parse_key, variant_key

SHA256S = st.binary(min_size=32, max_size=32)
TENANTS = st.integers(1, 2**63 - 1)


@given(TENANTS, SHA256S)
def test_the_key_of_stored_bytes_says_whose_and_which(tenant: int, sha256: bytes) -> None:
    assert parse_key(original_key(tenant, sha256)) == StoredKey(tenant, sha256, "original", None)


@given(TENANTS, SHA256S, SHA256S, st.sampled_from(Format), st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True))
def test_the_key_of_a_variant_says_what_made_it(
    tenant: int, sha256: bytes, file_sha256: bytes, fmt: Format, preset: str
) -> None:
    if preset == "original":  # no preset is
        return
    digest = sha256.hex()[:32]
    key = variant_key(tenant=tenant, preset=preset, sha256=sha256, digest=digest, file_sha256=file_sha256, fmt=fmt)
    assert parse_key(key) == StoredKey(tenant, sha256, preset, digest)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "0/probe/doctor",
        "journal/purges/2026-01-01/0000000000000001.json",
        f"1/original/aa/bb/{'c' * 64}",  # in another's directory
        f"1/original/cc/cc/{'c' * 63}",
        f"1/thumb/cc/cc/{'c' * 64}",  # a variant without a digest
        f"1/original/cc/cc/{'c' * 64}-{'0' * 32}-{'0' * 16}.jpg",  # stored bytes with one
        f"1/thumb/cc/cc/{'c' * 64}-{'0' * 32}-{'0' * 16}.exe",
        f"01/original/cc/cc/{'c' * 64}",  # a tenant is spelled in one way
        f"../1/original/cc/cc/{'c' * 64}",
        f"1/original/cc/cc/{'c' * 64}\n",
    ],
)
def test_what_we_would_not_name_so_is_not_ours(key: str) -> None:
    assert parse_key(key) is None
