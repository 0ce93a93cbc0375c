import mmap
from pathlib import Path

import pytest

from tintype.bootstrap.blobs import staging
from tintype.bootstrap.parts import JOBS_PER_RENDERER, worker_database
from tintype.settings import load_settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("renderers", [1, 2, 16])
def test_no_job_of_a_worker_waits_for_the_connection_of_another(renderers: int) -> None:
    settings = load_settings(
        file=None, environment={"TINTYPE_DATABASE_URL": "postgresql://db/x"}, flags={"renderers": renderers}
    )
    assert worker_database(settings).pool_max > renderers * JOBS_PER_RENDERER


def test_a_job_is_not_tried_again_for_a_connection_that_takes_as_long_as_it_may() -> None:
    settings = load_settings(file=None, environment={"TINTYPE_DATABASE_URL": "postgresql://db/x"}, flags={})
    config = worker_database(settings)
    assert config.wait_seconds > config.connect_timeout_seconds


@pytest.mark.anyio
async def test_the_largest_image_of_a_kind_can_be_examined_where_staging_is_encrypted(tmp_path: Path) -> None:
    (tmp_path / "tintype.toml").write_text('[kinds.image]\nmax_bytes = "70MB"\n')
    environment = {"TINTYPE_DATA": str(tmp_path), "TINTYPE_BLOB_KEY": "00" * 32}
    settings = load_settings(file=tmp_path / "tintype.toml", environment=environment, flags={})
    async with staging(settings).open() as staged:
        for _ in range(70):
            await staged.write(bytes(1_000_000))
        file, _ = await staged.finish()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:  # as it is examined
            assert len(whole) == 70_000_000
