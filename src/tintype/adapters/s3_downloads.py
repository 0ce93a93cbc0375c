"""Addresses that give stored bytes straight from S3: `ports/direct_downloads.py`."""

from datetime import UTC, datetime, timedelta

from tintype.adapters.s3_signing import Signer
from tintype.ports.blobs import check_key
from tintype.ports.direct_downloads import SignedAddress
from tintype.settings_blobs import S3Bucket


class S3Downloads:
    """Signs addresses that hold for `lifetime` at least and for twice as long at most.

    They change once in a `lifetime`: browsers and edges keep what an address gave by its name.
    """

    def __init__(self, bucket: S3Bucket, signer: Signer, *, lifetime: timedelta, public: bool = True) -> None:
        """`public` says by which endpoint readers come: clients by the public one, an edge of ours by our own."""
        self._bucket = bucket
        self._signer = signer
        self._window = max(1, int(lifetime.total_seconds()))
        self._public = public

    def address(self, key: str, *, content_type: str, disposition: str, cache_control: str) -> SignedAddress:
        """Sign an address; see `DirectDownloads.address`."""
        check_key(key)
        now = datetime.now(UTC).timestamp()
        began = now - now % self._window
        url = self._signer.sign(
            "GET",
            self._bucket.url(key, public=self._public),
            seconds=2 * self._window,
            now=datetime.fromtimestamp(began, UTC),
            query={
                "response-cache-control": cache_control,
                "response-content-disposition": disposition,
                "response-content-type": content_type,
            },
        )
        return SignedAddress(url, timedelta(seconds=2 * self._window - (now - began)))
