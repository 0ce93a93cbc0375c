"""Whether those who want to hear of events do."""

from collections.abc import Iterator
from typing import Final

import psycopg

from tintype.diagnosis.finding import Finding

MOST_LATE_SECONDS: Final = 300.0
"""A worker looks twice a second; minutes late, none does, or all of them wait for slow receivers."""


def webhook_deliveries(connection: psycopg.Connection) -> Iterator[Finding]:
    """Give what there is of every tenant's webhooks."""
    row = connection.execute("SELECT pending, dead, late, disabled FROM tintype.count_webhook_deliveries()").fetchone()
    pending, dead, late, disabled = row or (0, 0, 0.0, 0)
    yield Finding(
        "webhooks",
        ok=dead == disabled == 0 and late < MOST_LATE_SECONDS,
        detail=f"{pending} events wait, {dead} were given up, {disabled} receivers were switched off.",
        advice="`tintype webhook list` and `dead` say which; then `redeliver`, `enable`, or mend the receiver.",
    )
