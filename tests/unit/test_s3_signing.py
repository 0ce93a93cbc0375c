"""Signed addresses of S3: those that AWS published, and those that its own SDK makes."""

from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.compat
import botocore.credentials
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.adapters.s3_signing import Signer

NOW = datetime(2013, 5, 24, tzinfo=UTC)
EXAMPLE = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def test_the_example_that_aws_published_has_the_signature_that_it_published() -> None:
    # Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters", An Example.
    signed = EXAMPLE.sign("GET", "https://examplebucket.s3.amazonaws.com/test.txt", seconds=86_400, now=NOW)
    assert signed == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def signed_by_the_sdk(signer: Signer, method: str, url: str, headers: dict[str, str], query: dict[str, str]) -> str:
    credentials = botocore.credentials.Credentials(signer.access_key, signer.secret_key, signer.session_token)
    auth = botocore.auth.S3SigV4QueryAuth(credentials, "s3", signer.region, expires=900)
    request = botocore.awsrequest.AWSRequest(method=method, url=url, headers=headers, params=query)
    auth.add_auth(request)
    return str(request.url)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    key=st.lists(TEXT.filter(lambda word: word not in {".", ".."}), min_size=1, max_size=4),
    query=st.dictionaries(st.sampled_from(["uploads", "partNumber", "uploadId", "response-content-type"]), TEXT),
    length=st.none() | st.integers(0, 10**12),
    session=st.none() | TEXT,
)
def test_any_request_is_signed_as_the_sdk_of_aws_signs_it(
    method: str, key: list[str], query: dict[str, str], length: int | None, session: str | None
) -> None:
    signer = Signer("key", "secret", session, region="eu-central-1")
    headers = {"Content-Type": "image/png", "x-amz-checksum-sha256": "aGFzaA=="} if length else {}
    url = "http://127.0.0.1:8080/bucket/" + "/".join(quote(word, safe="") for word in key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
        expected = signed_by_the_sdk(signer, method, url, headers, query)
    ours = signer.sign(method, url, seconds=900, now=NOW, headers=headers, query=query)
    assert _parts(ours) == _parts(expected)


def _parts(url: str) -> tuple[str, str, list[str]]:
    split = urlsplit(url)
    return split.netloc, split.path, sorted(split.query.split("&"))


def test_the_secrets_are_not_in_what_is_printed() -> None:
    assert "wJalr" not in repr(EXAMPLE)
    assert "token" not in repr(Signer("key", "secret", "token"))
