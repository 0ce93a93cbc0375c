"""JSON log lines on standard error, one per event."""

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import msgspec
import structlog

_ENCODER: Final = msgspec.json.Encoder(enc_hook=repr)


def configure_logs(level: str) -> None:
    """Send the log lines of `level` and above, ours and the libraries', to standard error as JSON.

    Ours are given as fields chosen by hand; no header, query or body is ever among them.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _as_json],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processor=structlog.processors.JSONRenderer(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.WARNING))


def _as_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
    """Return the line; at three times the speed of the standard library, which takes over where msgspec is strict."""
    try:
        return _ENCODER.encode(event)
    except UnicodeEncodeError:  # a lone surrogate, from a file name that is not UTF-8
        return json.dumps(event, default=repr).encode()
