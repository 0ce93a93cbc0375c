"""What is counted of tenants and accounts held against their images."""

from tintype.domain.invariant import Invariant
from tintype.storage.usage_drift import drift_name, usage_drifts
from tintype.usecases.verify.run import Run


async def verify_usage(run: Run, tenant: int) -> None:
    """Go through the tenant as a whole and its accounts."""
    async for drift in usage_drifts(run.database, tenant):
        run.accuse(Invariant.IDEMPOTENT, f"too little is counted for {drift_name(tenant, drift)}")
