"""What every test of a fault ends with: nothing is lost, torn, damaged or left (`tintype verify`)."""

from command_line import tintype
from product import Product, eventually

QUIET_SECONDS = 30.0
"""Until no job is left, on a busy machine."""


def assert_sound(product: Product) -> None:
    """Assert that the running product has no violation of any invariant once its jobs are done."""
    assert eventually(lambda: _jobs(product) == 0, within=QUIET_SECONDS), "jobs are left"
    done = tintype("verify", "--data", str(product.data))
    assert done.returncode == 0, done.stdout + done.stderr


def _jobs(product: Product) -> int:
    ((left,),) = product.query("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")
    return int(left)
