"""Builds what concerns who may see what beyond an image's own row: keys, signed addresses."""

from litestar import Router

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.storage.signing_keys import SigningKeys
from tintype.usecases.retire_signing_key import RetireSigningKey
from tintype.usecases.sign_url import SignUrl
from tintype.web.images_api import ImagesApi
from tintype.web.signed_urls import signed_url_routes
from tintype.web.signing_keys import SigningKeysApi, signing_key_routes


def signing_routes(images: ImagesApi, keys: SigningKeys, *, database: Database, clock: DatabaseClock) -> list[Router]:
    """Return the routes that sign addresses and change what they are signed with."""
    retire = RetireSigningKey(database=database, keys=keys)
    return [
        signed_url_routes(images, SignUrl(database=database, clock=clock, keys=keys)),
        signing_key_routes(SigningKeysApi(keys, retire, images.authenticator, images.proxies)),
    ]
