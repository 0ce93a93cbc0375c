"""A job as people see it: what it works on, how it stands, and why it failed.

```
waiting → running → (done: it is gone) | waiting (tried again) | dead      dead → waiting (retried) | gone (discarded)
```
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tintype.domain.ids import WIDTH, BadId, ImageRef, from_base62, public_id
from tintype.domain.image import State

JOB_PREFIX: Final = "job_"


class JobState(StrEnum):
    """Where a job is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    DEAD = "dead"
    """It had its last attempt and is kept until somebody retries or discards it."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `reason` is the stable code of its latest failure, `failed_at` when that was.

    `tenant` is None for what is everybody's; `image` and `version` are None for what is not about one image.
    """

    id: int
    tenant: int | None
    task: str
    state: JobState
    attempts: int
    priority: int
    image: int | None
    version: int | None
    created_at: datetime | None
    reason: str | None
    failed_at: datetime | None

    @property
    def public_id(self) -> str:
        """What the API, the command line and the log call it."""
        return public_id(JOB_PREFIX, self.id)


@dataclass(frozen=True, slots=True)
class ImageOfJob:
    """The image that a job is about: its public id, and how it stands."""

    ref: ImageRef
    state: State


def parse_job_id(text: str) -> int:
    """Return the number that a public job id spells; `BadId` when it is none."""
    if not text.startswith(JOB_PREFIX) or len(text) != len(JOB_PREFIX) + WIDTH:
        raise BadId("not a job id")
    return from_base62(text.removeprefix(JOB_PREFIX))
