"""The blob store on S3: `RemoteBlobStore`, and what became of uploads in parts that nobody finished."""

from typing import TYPE_CHECKING

from obstore.store import S3Store

from tintype.adapters.blobs_remote import CLIENT, RETRY, RemoteBlobStore
from tintype.adapters.s3_requests import Refused, S3Requests
from tintype.adapters.s3_uploads import S3Uploads
from tintype.domain.keys import STAGING_PREFIX
from tintype.ports.staging import Staging
from tintype.settings_blobs import S3Bucket, S3Credentials

if TYPE_CHECKING:
    from obstore.store import S3Config


class S3BlobStore(RemoteBlobStore):
    """Blobs in a bucket of S3; `uploads` is how clients put bytes there by themselves."""

    def __init__(self, bucket: S3Bucket, credentials: S3Credentials, scratch: Staging) -> None:
        super().__init__(_store(bucket, credentials), scratch)
        self.bucket = bucket
        self.requests = S3Requests(bucket, credentials)
        self.uploads = S3Uploads(self.requests, self)

    async def keeps_versions(self) -> bool:
        """Return whether a delete only hides the bytes; False where we may not ask. Raises `BlobStoreFailed`."""
        try:
            return (await self.requests.ask("GET", "", {"versioning": ""})).text("Status") == "Enabled"
        except Refused:
            return False

    async def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:
        """Name uploads in parts that nobody finished, but those of clients: their rows know; abort the others."""
        found = []
        async for upload in self.uploads.unfinished(older_seconds=older_seconds):
            if upload.key.startswith(STAGING_PREFIX):
                continue
            if remove:
                await self.uploads.abort(upload.key, upload.upload)
            found.append(f"{upload.key} (upload {upload.upload[:8]})")
        return tuple(sorted(found))


def _store(bucket: S3Bucket, credentials: S3Credentials) -> S3Store:
    temporary: S3Config = {"session_token": credentials.session_token} if credentials.session_token else {}
    return S3Store(
        bucket.bucket,
        prefix=bucket.prefix.rstrip("/") or None,
        endpoint=bucket.endpoint if bucket.in_path else bucket.url().rstrip("/"),
        region=bucket.region,
        access_key_id=credentials.access_key,
        secret_access_key=credentials.secret_key,
        config=temporary,
        virtual_hosted_style_request=not bucket.in_path,
        client_options={**CLIENT, "allow_http": bucket.endpoint.startswith("http:")},
        retry_config=RETRY,
    )
