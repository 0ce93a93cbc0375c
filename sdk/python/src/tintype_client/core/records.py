"""What is kept of an upload until it is done, so that a program that was ended goes on where it was.

The text holds the write token: whoever keeps it keeps it from others (`state_files.py`).
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from tintype_client.core.effects import Source
from tintype_client.core.fields import Fields, as_json
from tintype_client.models import UploadLink

VERSION: Final = 1
"""Of the text. What another version of this package wrote is as good as nothing."""


@dataclass(frozen=True, slots=True)
class Record:
    """An upload under way: the key of its request and, once that was answered, the upload."""

    key: str
    link: UploadLink | None = None

    def text(self) -> str:
        """Return it to be kept."""
        link = dict(self.link.raw) if self.link else None
        return json.dumps({"version": VERSION, "key": self.key, "upload": link})

    @classmethod
    def parse(cls, text: str | None) -> "Record | None":
        """Return what was kept, None when that is nothing that can be used."""
        try:
            kept: dict[str, Any] = json.loads(text or "null") or {}
            if kept.get("version") != VERSION:
                return None
            link = kept["upload"]
            return cls(str(kept["key"]), UploadLink.from_json(link) if link else None)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def record_name(server: str, source: Source, fields: Fields) -> str | None:
    """Return the name of an upload of this file with these fields; None when the file cannot be told from others."""
    identity = source.identity
    if identity is None:
        return None
    said = json.dumps([server, identity, as_json(fields)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]
