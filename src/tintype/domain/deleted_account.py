"""A deleted account, as the journal keeps it: enough to delete it again if a backup brings it back, and no name."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

_VERSION = 1


class NotADeletion(ValueError):
    """The text is no entry of the journal."""


@dataclass(frozen=True, slots=True)
class DeletedAccount:
    """An account that was deleted, and when."""

    tenant: int
    account: int
    deleted_at: datetime

    def as_line(self) -> str:
        """Return the entry as a line of JSON; `deleted_account_from_line` is its inverse."""
        entry = {
            "v": _VERSION,
            "tenant": f"{self.tenant:x}",
            "account": f"{self.account:x}",
            "deleted_at": self.deleted_at.astimezone(UTC).isoformat(),
        }
        return json.dumps(entry, separators=(",", ":")) + "\n"


def deleted_account_from_line(line: str) -> DeletedAccount:
    """Return what `DeletedAccount.as_line` wrote; `NotADeletion` for anything else."""
    try:
        entry = json.loads(line)
        if entry["v"] != _VERSION:
            raise NotADeletion(line)
        deleted_at = datetime.fromisoformat(entry["deleted_at"])
        return DeletedAccount(int(entry["tenant"], 16), int(entry["account"], 16), deleted_at)
    except (ValueError, KeyError, TypeError) as error:
        raise NotADeletion(line) from error
