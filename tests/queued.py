"""The job queue in tests: what is in it, and a decoder that is broken on purpose, so that jobs die."""

from collections.abc import Mapping
from typing import Any, Final

from psycopg.types.json import Jsonb

from product import Product, eventually
from tintype.domain.ids import ImageRef

BROKEN_WHILE: Final = """
    from pathlib import Path
    from tintype.adapters.render_pool import RenderPool
    from tintype.ports.renderer import RendererFailed

    render, switch = RenderPool.render, Path({switch!r})

    async def fail_while_switched_on(self, request, source):
        if switch.exists():
            raise RendererFailed("broken on purpose")
        return await render(self, request, source)

    RenderPool.render = fail_while_switched_on
"""
"""Has every decoder fail as long as the file is there."""

BRISK: Final = {"TINTYPE_JOBS__RETRY_SECONDS": "0.05"}
"""Five attempts in some 3 s."""

DEAD_SECONDS: Final = 30.0


def image_number(image: Mapping[str, Any]) -> int:
    """Return the id of the image's row."""
    return ImageRef.parse(image["id"]).id


def jobs_of(product: Product, image: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return status and attempts of the jobs that are to process the image, oldest first."""
    return product.query(
        """SELECT status::text, attempts FROM procrastinate_jobs
           WHERE task_name = 'process_image' AND args ->> 'image' = %s ORDER BY id""",
        str(image_number(image)),
    )


def dead_letter_of(product: Product, image: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of the image's dead job, once there is one."""
    found: list[dict[str, Any]] = []

    def is_dead() -> bool:
        listed = product.client.get("/api/v1/jobs", params={"state": "dead", "limit": 100}).json()["items"]
        found[:] = [job for job in listed if job["image"] == image["id"]]
        return bool(found)

    assert eventually(is_dead, within=DEAD_SECONDS), "no job died"
    return found[0]


def bury(product: Product, image: Mapping[str, Any]) -> None:
    """Have a settled image and its job be as they are when five attempts have failed, without waiting for them."""
    number = image_number(image)
    ((tenant, version),) = product.query(
        "UPDATE images SET state = 'failed', state_reason = 'processing.failed' WHERE id = %s"
        " RETURNING tenant, version",
        number,
    )
    ((job,),) = product.query(
        """INSERT INTO procrastinate_jobs (queue_name, task_name, priority, status, attempts, args)
           VALUES ('tintype', 'process_image', 10, 'failed', 5, %s) RETURNING id""",
        Jsonb({"tenant": tenant, "image": number, "version": version}),
    )
    product.query("INSERT INTO job_failures (job, tenant, reason) VALUES (%s, %s, 'renderer.failed')", job, tenant)
    product.query("SELECT pg_notify('tintype_images', %s)", str(number))
