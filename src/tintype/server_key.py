"""The server's own key: where it is, which ones came before it, and what seals by it.

Tokens derive from the key of now alone. What is sealed in the database opens under the earlier ones, too: those that
`secret_key_old` lists, and the data directory's own key once TINTYPE_SECRET_KEY has taken its place.
"""

from tintype.settings import SECRET_KEY_FILE, Settings
from tintype.storage.sealing import Sealer


def server_key(settings: Settings) -> bytes:
    """Return the key that tokens derive from: as configured, else the data directory's own."""
    if settings.secret_key is not None:
        return settings.secret_key.encode()
    return bytes.fromhex((settings.data / SECRET_KEY_FILE).read_text())


def sealer(settings: Settings) -> Sealer:
    """Return what seals secrets for the database and opens them."""
    earlier = [key.encode() for key in settings.secret_key_old]
    file = settings.data / SECRET_KEY_FILE
    if settings.secret_key is not None and file.exists():
        earlier.append(bytes.fromhex(file.read_text()))
    return Sealer(server_key(settings), *earlier)
