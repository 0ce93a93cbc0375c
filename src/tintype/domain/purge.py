"""A purge, as the journal keeps it: enough to purge the image again after an older backup came back, and no secret."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

_VERSION = 1


class NotAPurge(ValueError):
    """The text is no entry of the journal."""


@dataclass(frozen=True, slots=True)
class Purge:
    """An image that was purged: its id without the secret that is in its link, and the stored bytes that it had."""

    tenant: int
    image: int
    sha256s: tuple[bytes, ...]
    purged_at: datetime

    def as_line(self) -> str:
        """Return the entry as a line of JSON; `purge_from_line` is its inverse."""
        entry = {
            "v": _VERSION,
            "tenant": f"{self.tenant:x}",
            "image": f"{self.image:x}",
            "sha256": [sha256.hex() for sha256 in self.sha256s],
            "purged_at": self.purged_at.astimezone(UTC).isoformat(),
        }
        return json.dumps(entry, separators=(",", ":")) + "\n"


def purge_from_line(line: str) -> Purge:
    """Return the purge that `Purge.as_line` wrote; `NotAPurge` for anything else."""
    try:
        entry = json.loads(line)
        if entry["v"] != _VERSION:
            raise NotAPurge(line)
        sha256s = tuple(bytes.fromhex(sha256) for sha256 in entry["sha256"])
        purged_at = datetime.fromisoformat(entry["purged_at"])
        return Purge(int(entry["tenant"], 16), int(entry["image"], 16), sha256s, purged_at)
    except (ValueError, KeyError, TypeError) as error:
        raise NotAPurge(line) from error
