"""What was set, and what a person may have meant otherwise."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from tintype.diagnosis.finding import Finding
from tintype.settings import Settings, load_settings

LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_UNSHOWN: Final = frozenset(field.name for field in fields(Settings) if not field.repr)
"""Passwords and keys are in them: that they are set is said, not what they are."""


def chosen_settings(settings: Settings) -> Iterator[Finding]:
    """Give every setting that is not the default, and those that surprise people."""
    defaults = load_settings(file=Path(os.devnull), environment={}, flags={})
    usual, chosen = _flat(asdict(defaults)), _flat(asdict(settings))
    changed = [
        f"{name} is set" if name.partition(".")[0] in _UNSHOWN else f"{name} = {value}"
        for name, value in sorted(chosen.items())
        if usual.get(name) != value and not name.startswith("kind_tables.")  # `kinds` shows what they come to
    ]
    yield Finding("settings", ok=True, detail=f"{', '.join(changed) or 'all as they come'}.")
    public = settings.host not in LOCAL or settings.public_url is not None
    yield Finding(
        "public address",
        ok=settings.host in LOCAL or settings.public_url is not None,
        detail=settings.public_url or "links name the address that a client asked for.",
        advice="Anybody can choose that address. Set TINTYPE_PUBLIC_URL to the one that clients should use.",
    )
    yield Finding(
        "rate limits",
        ok=settings.rate_limits or not public,
        detail="on." if settings.rate_limits else "off.",
        advice="Strangers may upload without end. Set TINTYPE_RATE_LIMITS=on unless a proxy limits them.",
    )
    off = [name for name, when in settings.schedule.items() if when is None]
    yield Finding(
        "schedule",
        ok=not off,
        detail=f"off: {', '.join(off)}." if off else "everything is done at its time.",
        advice="Nothing else does it: remove the `off`, or run it by cron.",
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(sorted(value)) if isinstance(value, frozenset) else str(value)
    return flat
