"""`/api/v1/jobs`: the tenant's jobs, above all those that failed for good and wait for a decision."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.domain.actor import Scope
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import BadId
from tintype.domain.job import ImageOfJob, Job, JobState, parse_job_id
from tintype.reads.jobs import JobList
from tintype.usecases.dead_letters import DeadLetters
from tintype.web.auth import Authenticator, Credentials
from tintype.web.openapi import problems

ApiRequest = Request[Any, Any, AppState]

MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 30

_UNSHARED: Final = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class JobsApi:
    """What the handlers work with."""

    jobs: JobList
    dead_letters: DeadLetters
    authenticator: Authenticator

    async def tenant(self, request: ApiRequest) -> int:
        """Return the tenant whose jobs the caller may see; `Problem` for anybody else."""
        actor = await self.authenticator.actor(Credentials.of(request.headers, request.method))
        if actor is None:
            raise Problem(Code.AUTH_REQUIRED, "Jobs are for the operator. Send an API key as Bearer, or sign in.")
        actor.need_all(Scope.JOBS)
        return actor.tenant


class JobJson(msgspec.Struct, kw_only=True):
    """A job. `reason` is the stable code of its latest failure; `image` is what it works on, null when that is none."""

    id: str
    task: str
    state: Literal["waiting", "running", "dead"]
    attempts: int
    priority: int
    image: str | None
    image_state: str | None
    version: int | None
    reason: str | None
    created_at: str | None
    failed_at: str | None
    meaning: str | msgspec.UnsetType = msgspec.UNSET


class JobListJson(msgspec.Struct, kw_only=True):
    """Jobs, newest first; `next` is the cursor of those after them, null at the end."""

    items: list[JobJson]
    next: str | None


def present_job(job: Job, image: ImageOfJob | None, meaning: str | None = None) -> JobJson:
    """Return the job's JSON; `meaning` says what came of a decision."""
    return JobJson(
        id=job.public_id,
        task=job.task,
        state=job.state.value,
        attempts=job.attempts,
        priority=job.priority,
        image=str(image.ref) if image is not None else None,
        image_state=image.state.value if image is not None else None,
        version=job.version,
        reason=job.reason,
        created_at=_time(job.created_at),
        failed_at=_time(job.failed_at),
        meaning=meaning or msgspec.UNSET,
    )


def _time(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@get("/jobs", operation_id="listJobs", summary="List jobs, newest first", responses=problems(401, 503))
async def list_jobs(
    request: ApiRequest,
    api: NamedDependency[JobsApi],
    only: Annotated[
        JobState | None, QueryParameter(name="state", description="Only these; `dead` had every attempt.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many at the most.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the answer before.")] = None,
) -> Response[JobListJson]:
    """Return the tenant's jobs; what was done is not among them."""
    states = (only,) if only is not None else tuple(JobState)
    tenant = await api.tenant(request)
    page = await api.jobs.page(tenant=tenant, states=states, before=_before(cursor), limit=limit)
    items = [present_job(listed.job, listed.image) for listed in page.jobs]
    return Response(JobListJson(items=items, next=items[-1].id if page.more else None), headers=_UNSHARED)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        return parse_job_id(cursor)
    except BadId as error:
        raise Problem(Code.REQUEST_UNREADABLE, "This cursor is none of ours. Begin without one.") from error


@post(
    "/jobs/{job_id:str}/retry",
    status_code=200,
    operation_id="retryJob",
    summary="Have a dead job run again",
    responses=problems(401, 404, 409, 410, 503),
)
async def retry_job(request: ApiRequest, api: NamedDependency[JobsApi], job_id: FromPath[str]) -> Response[JobJson]:
    """Give the job all its attempts again; its failed image is `processing` from now on."""
    settled = await api.dead_letters.retry(_job_id(job_id), tenant=await api.tenant(request))
    return Response(present_job(settled.job, settled.image, settled.meaning), headers=_UNSHARED)


@delete(
    "/jobs/{job_id:str}",
    status_code=200,
    operation_id="discardJob",
    summary="Give a dead job up",
    description="`meaning` says what comes of it: a failed image stays failed.",
    responses=problems(401, 404, 409, 503),
)
async def discard_job(request: ApiRequest, api: NamedDependency[JobsApi], job_id: FromPath[str]) -> Response[JobJson]:
    """Forget the job and say what that means."""
    settled = await api.dead_letters.discard(_job_id(job_id), tenant=await api.tenant(request))
    return Response(present_job(settled.job, settled.image, settled.meaning), headers=_UNSHARED)


def _job_id(text: str) -> int:
    try:
        return parse_job_id(text)
    except BadId as error:
        raise Problem(
            Code.NOT_FOUND, "There is no such job; an id looks like job_ and 11 letters and digits."
        ) from error


def job_routes(api: JobsApi) -> Router:
    """Return the routes of the resource."""
    return Router(
        path="/api/v1",
        route_handlers=[list_jobs, retry_job, discard_job],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Jobs"],
    )
