"""What `tintype tenant` and `tintype key` are told, as argparse reads it. Imports nothing that takes time."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

KINDS_HELP: Final = "a TOML file with its own [presets.*] and [kinds.*]; it says all that the tenant has"


def add_tenant_commands(add_parser: Callable[..., argparse.ArgumentParser]) -> tuple[argparse.ArgumentParser, ...]:
    """Add both commands and return their parsers."""
    return _tenant(add_parser("tenant", help="make, list, change, suspend or resume tenants")), _key(
        add_parser("key", help="make, list or revoke API keys")
    )


def _tenant(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("action", choices=["create", "list", "set", "suspend", "resume"])
    parser.add_argument("slug", nargs="?", help="what the tenant is called")
    parser.add_argument("--name", help="what people call it")
    parser.add_argument("--host", dest="hosts", action="append", help="a host name that leads to it; may be repeated")
    parser.add_argument("--no-hosts", dest="hosts", action="store_const", const=[], help="no host leads to it")
    parser.add_argument("--origin", dest="origins", action="append", help="whose pages may call it; may be repeated")
    parser.add_argument(
        "--no-origins", dest="origins", action="store_const", const=[], help="no other site's pages may"
    )
    parser.add_argument("--anonymous-uploads", choices=["on", "off", "default"], help="whether strangers may upload")
    parser.add_argument("--kinds", type=Path, metavar="FILE", help=KINDS_HELP)
    return parser


def _key(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("action", choices=["create", "list", "revoke"])
    parser.add_argument("ids", nargs="*", metavar="KEY", help="keys to revoke, such as key_…")
    parser.add_argument("--tenant", default="default", help="whose they are (default)")
    parser.add_argument("--name", default="command line", help="what it is called in lists")
    parser.add_argument("--scopes", help="what it may do, with commas: images:read,images:write (everything)")
    parser.add_argument("--expires", metavar="TIME", help="for how long it is good: 12h, 90d (for ever)")
    return parser
