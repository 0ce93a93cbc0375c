import pytest

from tintype.bootstrap.parts import JOBS_PER_RENDERER, worker_database
from tintype.settings import load_settings


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
