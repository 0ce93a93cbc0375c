"""Encrypted files: what opens, what does not, and which keys a directory of blobs is opened with."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samples
from tintype.adapters import sealed_format
from tintype.adapters.blob_key_record import BlobKeyRefused, KeyRecord, admit, read_record
from tintype.adapters.blob_keys import KeyRing, key_id
from tintype.adapters.sealed_directory import Rewritten, SealedBlobDirectory
from tintype.adapters.sealed_format import CHUNK_BYTES, HEADER_BYTES, TAG_BYTES, SealBroken, is_sealed
from tintype.ports.blobs import BlobMismatch, BlobStoreFailed

KEY: Final = "1/original/ab/cd/abcd"
FIRST: Final = bytes(range(32))
SECOND: Final = bytes(range(32, 64))
CHUNK_ON_DISK: Final = CHUNK_BYTES + TAG_BYTES
CONTENT: Final = hashlib.shake_128(b"content").digest(3 * CHUNK_BYTES + 100)


@pytest.fixture
def blobs(tmp_path: Path) -> SealedBlobDirectory:
    return SealedBlobDirectory(tmp_path, KeyRing(FIRST))


def put(blobs: SealedBlobDirectory, content: bytes, key: str = KEY) -> Path:
    blobs.put(key, lambda: (content,), size=len(content), sha256=hashlib.sha256(content).hexdigest())
    return blobs.locate(key)


def read(blobs: SealedBlobDirectory, key: str = KEY) -> bytes:
    with blobs.open(key) as file:
        return file.read()


def test_every_bit_that_flips_is_found_by_whoever_reads(blobs: SealedBlobDirectory) -> None:
    path = put(blobs, b"the content of a small image")
    sound = path.read_bytes()
    for bit in range(8 * len(sound)):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(BlobStoreFailed):
            read(blobs)
    path.write_bytes(sound)
    assert read(blobs) == b"the content of a small image"


def chunk(number: int) -> slice:
    start = HEADER_BYTES + number * CHUNK_ON_DISK
    return slice(start, start + CHUNK_ON_DISK)


def swapped(sealed: bytes) -> bytes:
    one, two = sealed[chunk(0)], sealed[chunk(1)]
    return sealed[:HEADER_BYTES] + two + one + sealed[HEADER_BYTES + 2 * CHUNK_ON_DISK :]


def shortened(sealed: bytes) -> bytes:
    """Leave the last two chunks out and say so in the header."""
    header = sealed_format.parse_header(sealed[:HEADER_BYTES], len(sealed))
    assert header
    shorter = sealed_format.Header(header.key_id, header.salt, 2 * CHUNK_BYTES)
    return shorter.pack() + sealed[HEADER_BYTES : HEADER_BYTES + 2 * CHUNK_ON_DISK]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(swapped, id="two chunks changed places"),
        pytest.param(shortened, id="chunks left out, and the header made to fit"),
        pytest.param(lambda sealed: sealed[: -CHUNK_ON_DISK - 116], id="cut off between two chunks"),
        pytest.param(lambda sealed: sealed[:-1], id="cut off by a byte"),
        pytest.param(lambda sealed: sealed + b"x", id="longer by a byte"),
        pytest.param(lambda sealed: sealed[:40], id="cut off in the header"),
        pytest.param(lambda sealed: sealed[:10], id="cut off in the magic"),
    ],
)
def test_a_file_that_somebody_rearranged_does_not_open(
    blobs: SealedBlobDirectory, change: Callable[[bytes], bytes]
) -> None:
    path = put(blobs, CONTENT)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SealBroken):
        read(blobs)


def test_a_file_opens_under_its_own_name_alone_and_a_chunk_in_its_own_file(blobs: SealedBlobDirectory) -> None:
    others = ("1/original/ab/cd/abce", "2/original/ab/cd/abcd")
    first, second, third = put(blobs, CONTENT), *(put(blobs, CONTENT, other) for other in others)
    one, two = first.read_bytes(), second.read_bytes()
    for path, other in zip((second, third), others, strict=True):
        path.write_bytes(one)
        with pytest.raises(SealBroken):
            read(blobs, other)
    first.write_bytes(one[:HEADER_BYTES] + two[chunk(0)] + one[HEADER_BYTES + CHUNK_ON_DISK :])
    with pytest.raises(SealBroken):
        read(blobs)


def test_the_same_content_never_looks_the_same_twice(blobs: SealedBlobDirectory) -> None:
    path = put(blobs, CONTENT)
    before = path.read_bytes()
    blobs.delete(KEY)
    after = put(blobs, CONTENT).read_bytes()
    assert not set(windows(before)) & set(windows(after))
    assert not set(windows(before[HEADER_BYTES:])) & set(windows(CONTENT))


def windows(content: bytes, length: int = 16) -> list[bytes]:
    return [content[start : start + length] for start in range(HEADER_BYTES, len(content) - length, length)]


def test_a_range_opens_only_the_chunks_it_touches(blobs: SealedBlobDirectory) -> None:
    path = put(blobs, CONTENT)
    sealed = bytearray(path.read_bytes())
    sealed[chunk(2)] = bytes(CHUNK_ON_DISK)
    path.write_bytes(sealed)
    with blobs.open(KEY) as file:
        file.seek(CHUNK_BYTES - 5)
        assert file.read(10) == CONTENT[CHUNK_BYTES - 5 : CHUNK_BYTES + 5]
        file.seek(-50, os.SEEK_END)
        assert file.read() == CONTENT[-50:]
        file.seek(2 * CHUNK_BYTES - 1)
        with pytest.raises(SealBroken):
            file.read(2)


@settings(max_examples=30, deadline=None)
@given(
    size=st.sampled_from([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES]),
    piece=st.integers(1, 99_999),
)
def test_any_size_in_any_pieces_comes_back_and_costs_a_header_and_tags(
    tmp_path_factory: pytest.TempPathFactory, size: int, piece: int
) -> None:
    blobs = SealedBlobDirectory(tmp_path_factory.mktemp("any"), KeyRing(FIRST))
    content = CONTENT[:size]
    pieces = [content[start : start + piece] for start in range(0, size, piece)]
    blobs.put(KEY, lambda: pieces, size=size, sha256=hashlib.sha256(content).hexdigest())
    assert read(blobs) == content
    assert blobs.locate(KEY).stat().st_size == HEADER_BYTES + size + TAG_BYTES * max(1, -(-size // CHUNK_BYTES))
    found = blobs.head(KEY)
    assert found
    assert found.size == size


def test_no_image_is_taken_for_an_encrypted_file() -> None:
    for content in (samples.jpeg(), samples.png(), samples.webp(), samples.gif(), b"{}", b"", b"x", bytes(100)):
        assert is_sealed(content) is False


# Keys


def test_files_in_clear_and_under_older_keys_are_read_and_rewritten_one_by_one(tmp_path: Path) -> None:
    plain, old = SealedBlobDirectory(tmp_path, KeyRing(None)), SealedBlobDirectory(tmp_path, KeyRing(FIRST))
    put(plain, CONTENT, "1/plain")
    put(old, CONTENT, "1/old")
    new = SealedBlobDirectory(tmp_path, KeyRing(SECOND, [FIRST]))
    assert [read(new, key) for key in ("1/plain", "1/old")] == [CONTENT, CONTENT]
    assert {blob.key: blob.size for blob in new.walk("")} == {"1/old": len(CONTENT), "1/plain": len(CONTENT)}
    for key in ("1/plain", "1/old"):
        assert [new.rewrite(key, expected=""), new.rewrite(key, expected="")] == [Rewritten.DONE, Rewritten.ALREADY]
        with new.open_raw(key) as raw:
            assert raw.read(HEADER_BYTES)[20:28] == key_id(SECOND)
        assert read(SealedBlobDirectory(tmp_path, KeyRing(SECOND), accept_clear=False), key) == CONTENT
        with pytest.raises(BlobStoreFailed, match=key_id(SECOND).hex()):
            read(old, key)


def test_a_file_in_clear_is_refused_where_everything_was_encrypted(tmp_path: Path) -> None:
    path = put(SealedBlobDirectory(tmp_path, KeyRing(None)), CONTENT)
    blobs = SealedBlobDirectory(tmp_path, KeyRing(FIRST), accept_clear=False)
    with pytest.raises(SealBroken):
        read(blobs)
    put(blobs, CONTENT)
    assert is_sealed(path.read_bytes())
    assert read(blobs) == CONTENT


def test_what_rotted_in_clear_is_not_made_sound_by_encrypting_it(tmp_path: Path) -> None:
    path = put(SealedBlobDirectory(tmp_path, KeyRing(None)), CONTENT)
    rotten = b"rot" + CONTENT[3:]
    path.write_bytes(rotten)
    with pytest.raises(BlobMismatch):
        SealedBlobDirectory(tmp_path, KeyRing(FIRST)).rewrite(KEY, expected=hashlib.sha256(CONTENT).hexdigest())
    assert path.read_bytes() == rotten


def test_a_blob_that_was_deleted_while_it_was_rewritten_stays_deleted(
    blobs: SealedBlobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(blobs, CONTENT)
    new = SealedBlobDirectory(blobs.locate("1").parent, KeyRing(SECOND, [FIRST]))
    read_back = SealedBlobDirectory._read_back

    def delete_meanwhile(self: SealedBlobDirectory, *arguments: object) -> None:
        read_back(self, *arguments)  # type: ignore[arg-type]
        assert blobs.delete(KEY)

    monkeypatch.setattr(SealedBlobDirectory, "_read_back", delete_meanwhile)
    assert new.rewrite(KEY, expected="") is Rewritten.GONE
    assert blobs.head(KEY) is None
    assert list(new._temporary.iterdir()) == []


@pytest.mark.root
def test_a_file_that_root_rewrites_still_belongs_to_whom_it_did(blobs: SealedBlobDirectory) -> None:
    path = put(blobs, CONTENT)
    os.chown(path, 4321, 4322)
    path.chmod(0o600)
    SealedBlobDirectory(blobs.locate("1").parent, KeyRing(SECOND, [FIRST])).rewrite(KEY, expected="")
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4321, 4322, 0o600)


def test_a_directory_remembers_its_keys_and_refuses_others(tmp_path: Path) -> None:
    first, second = key_id(FIRST).hex(), key_id(SECOND).hex()
    assert admit(tmp_path, KeyRing(FIRST)) == KeyRecord(frozenset({first}), clear=False)
    with pytest.raises(BlobKeyRefused, match=f"{first}.* no key is set"):
        admit(tmp_path, KeyRing(None))
    with pytest.raises(BlobKeyRefused, match=f"{first}.*what is set is {second}"):
        admit(tmp_path, KeyRing(SECOND))
    assert read_record(tmp_path) == KeyRecord(frozenset({first}), clear=False)
    assert admit(tmp_path, KeyRing(SECOND, [FIRST])).ids == {first, second}
    assert admit(tmp_path, KeyRing(None, [FIRST, SECOND])).clear is True


def test_a_directory_with_images_in_clear_goes_on_having_them(tmp_path: Path) -> None:
    put(SealedBlobDirectory(tmp_path, KeyRing(None)), CONTENT)
    assert admit(tmp_path, KeyRing(FIRST)) == KeyRecord(frozenset({key_id(FIRST).hex()}), clear=True)


def test_a_record_that_cannot_be_read_is_no_reason_to_go_on(tmp_path: Path) -> None:
    (tmp_path / ".encryption").write_text("{}")
    with pytest.raises(BlobKeyRefused, match="backup"):
        admit(tmp_path, KeyRing(FIRST))
