"""Builds what takes in resumable uploads."""

from litestar import Router

from tintype.bootstrap.blobs import staging
from tintype.bootstrap.uploads import UploadBase, reserving
from tintype.reads.tus_uploads import TusUploads
from tintype.server_key import server_key
from tintype.storage.holds import Holds
from tintype.usecases.append_bytes import AppendBytes
from tintype.usecases.concatenate_uploads import ConcatenateUploads
from tintype.usecases.note_tus_upload import NoteTusUpload
from tintype.web.images_api import ImagesApi
from tintype.web.tus import TusApi, tus_routes
from tintype.web.upload_links import UploadLinks


def routes_of_tus(base: UploadBase, images: ImagesApi, holds: Holds) -> Router:
    """Return the routes of one API process, whose uploads are in `holds`."""
    return tus_routes(
        TusApi(
            images=images,
            found=TusUploads(base.database, holds),
            reserve=reserving(base),
            note=NoteTusUpload(base.database),
            append=AppendBytes(
                database=base.database,
                clock=base.clock,
                blobs=base.blobs,
                staged=base.staged,
                staging=staging(base.settings),
                holds=holds,
                notifier=base.notifier,
                quotas=base.settings.quotas,
            ),
            concatenate=ConcatenateUploads(
                database=base.database,
                clock=base.clock,
                blobs=base.blobs,
                staged=base.staged,
                notifier=base.notifier,
                quotas=base.settings.quotas,
            ),
            abort=images.abort_upload,
            links=UploadLinks(server_key(base.settings)),
            server_key=server_key(base.settings),
        )
    )
