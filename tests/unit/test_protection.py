"""What `tintype doctor` says of the keys of the images and of the certificate."""

from pathlib import Path

import pytest

from certificates import write_certificate
from tintype.adapters.blob_key_record import BlobKeyRefused
from tintype.adapters.blob_keys import key_id
from tintype.adapters.certificate import CertificateUnusable
from tintype.bootstrap.blobs import admit_keys, settle_keys
from tintype.diagnosis.protection import certificate, encryption
from tintype.settings import Settings, load_settings
from tintype.settings_blobs import NoCredentials

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))


def load(data: Path, **given: str) -> Settings:
    environment = {"TINTYPE_DATA": str(data), **{f"TINTYPE_{name}": value for name, value in given.items()}}
    return load_settings(file=data / "none.toml", environment=environment, flags={})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "none.toml").touch()
    return tmp_path


def test_the_keys_are_told_by_their_ids_and_one_that_is_missing_is_named(data: Path) -> None:
    first, second = key_id(FIRST).hex(), key_id(SECOND).hex()
    (found,) = encryption(load(data))
    assert (found.ok, found.detail) == (True, "new images lie in clear.")
    admit_keys(load(data, BLOB_KEY=FIRST.hex()))
    (found,) = encryption(load(data, BLOB_KEY=FIRST.hex()))
    assert (found.ok, found.detail) == (True, f"new images are encrypted with the key {first}.")
    (found,) = encryption(load(data))
    assert not found.ok
    assert first in str(found)
    changing = load(data, BLOB_KEY=SECOND.hex(), BLOB_KEY_OLD=FIRST.hex())
    admit_keys(changing)
    found, advice = encryption(changing)
    assert found.detail == f"new images are encrypted with the key {second}; some may be under {first}."
    assert "encrypt-blobs" in advice.detail
    settle_keys(changing)
    assert len(list(encryption(load(data, BLOB_KEY=SECOND.hex())))) == 1


@pytest.mark.parametrize(("days", "ok"), [(90, True), (13, False), (-0.5, False)])
def test_a_certificate_that_ends_soon_is_bad(data: Path, days: float, ok: bool) -> None:  # noqa: FBT001 -- a parameter
    path, key = write_certificate(data, days=days)
    (found,) = certificate(load(data, TLS__CERTIFICATE=str(path), TLS__KEY=str(key)))
    assert found.ok is ok
    assert found.detail.startswith("for localhost, 127.0.0.1, until ")
    assert list(certificate(load(data))) == []


def test_a_certificate_that_cannot_be_used_is_told_by_name(data: Path) -> None:
    path, key = write_certificate(data)
    other = data / "other"
    other.mkdir()
    _, wrong_key = write_certificate(other)
    for shown_path, shown_key, said in (
        (path, wrong_key, "mismatch"),
        (path, data / "no", "There is no file"),
        (key, key, "cannot be used"),
    ):
        settings = load(data, TLS__CERTIFICATE=str(shown_path), TLS__KEY=str(shown_key))
        with pytest.raises(CertificateUnusable, match=said):
            list(certificate(settings))


def test_a_bucket_needs_credentials_and_takes_no_key_for_the_disk(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(NoCredentials, match="AWS_SECRET_ACCESS_KEY"):
        admit_keys(load(data, BLOBS_URL="s3://bucket"))
    with pytest.raises(BlobKeyRefused, match="TINTYPE_BLOB_KEY"):
        admit_keys(load(data, BLOBS_URL="s3://bucket", BLOB_KEY=FIRST.hex()))
    (found,) = encryption(load(data, BLOBS_URL="s3://bucket"))
    assert (found.ok, found.detail) == (True, "images lie in a bucket, encrypted as that is.")
