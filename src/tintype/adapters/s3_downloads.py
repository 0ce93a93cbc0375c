"""Addresses that give stored bytes straight from S3: `ports/direct_downloads.py`."""

from datetime import UTC, datetime, timedelta
from typing import Final

from tintype.adapters.s3_signing import Signer
from tintype.ports.blobs import check_key
from tintype.ports.direct_downloads import SignedAddress
from tintype.settings_blobs import S3Bucket

WINDOW_SECONDS: Final = 60
"""How long addresses stay the same: browsers and edges keep what one gave by its name."""


class S3Downloads:
    """Signs addresses that hold for `lifetime` at least, and for WINDOW_SECONDS more at most."""

    def __init__(self, bucket: S3Bucket, signer: Signer, *, lifetime: timedelta, public: bool = True) -> None:
        """`public` says by which endpoint readers come: clients by the public one, an edge of ours by our own."""
        self._bucket = bucket
        self._signer = signer
        self._seconds = int(lifetime.total_seconds()) + WINDOW_SECONDS
        self._public = public

    def address(self, key: str, *, content_type: str, disposition: str) -> SignedAddress:
        """Sign an address; see `DirectDownloads.address`."""
        check_key(key)
        now = datetime.now(UTC).timestamp()
        began = now - now % WINDOW_SECONDS
        url = self._signer.sign(
            "GET",
            self._bucket.url(key, public=self._public),
            seconds=self._seconds,
            now=datetime.fromtimestamp(began, UTC),
            query={"response-content-type": content_type, "response-content-disposition": disposition},
        )
        return SignedAddress(url, timedelta(seconds=self._seconds - (now - began)))
