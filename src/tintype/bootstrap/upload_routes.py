"""Builds the routes of uploads of several requests."""

from litestar import Router

from tintype.bootstrap.blobs import direct_uploads, staging
from tintype.bootstrap.uploads import UploadBase, reserving
from tintype.reads.uploads import Uploads
from tintype.server_key import server_key
from tintype.usecases.complete_upload import CompleteUpload
from tintype.usecases.receive_part import ReceivePart
from tintype.web.images_api import ImagesApi
from tintype.web.upload_links import StoreLinks, UploadLinks
from tintype.web.uploads import UploadsApi, upload_routes


def routes_of_uploads(base: UploadBase, images: ImagesApi) -> Router:
    """Return the routes of one API process."""
    direct, links = direct_uploads(base.blobs), UploadLinks(server_key(base.settings))
    api = UploadsApi(
        images=images,
        uploads=Uploads(base.database, base.tenants, base.staged),
        reserve=reserving(base),
        receive=ReceivePart(
            database=base.database, clock=base.clock, staging=staging(base.settings), staged=base.staged
        ),
        complete=CompleteUpload(database=base.database, clock=base.clock, notifier=base.notifier, staged=base.staged),
        abort=images.abort_upload,
        links=links,
        targets=StoreLinks(direct, base.clock) if direct is not None else links,
        clock=base.clock,
    )
    return upload_routes(api)
