"""What is said of a tenant in the body of a request, checked: every mistake is named at once.

`presets` and `kinds` are merged as RFC 7396 says: null takes a table, or a word of it, away. What they come to is
checked by the code that reads `tintype.toml`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.tenant import (
    DEFAULT_SLUG,
    MAX_HOSTNAMES,
    MAX_NAME_CHARACTERS,
    MAX_ORIGINS,
    Tenant,
    TenantState,
    is_slug,
    normal_host,
    normal_origin,
)
from tintype.kind_settings import NAMED_TABLES, TABLE_EXPECTED, KindTables
from tintype.web.image_fields import check_text, invalid

FIELDS: Final = ("slug", "name", "hostnames", "origins", "anonymous_uploads", *NAMED_TABLES)
INSTALLATION_FIELDS: Final = frozenset({"slug", "hostnames"})
"""What the installation gives out (`domain/tenant.py`)."""

_NEVER: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Stands for the times that the story fills in."""

MAX_ERRORS: Final = 100
"""Of a body; who made more reads the first."""


def refuse_installation_fields(given: Mapping[str, Any]) -> None:
    """Raise `Problem` auth.forbidden when a tenant's own operator names what is not the tenant's to choose."""
    named = sorted(INSTALLATION_FIELDS & given.keys())
    if named:
        message = f"{' and '.join(named)} are given out by whoever runs the server: ask there."
        raise Problem(Code.AUTH_FORBIDDEN, message)


def changed_tenant(tenant: Tenant, given: Mapping[str, Any], tables: KindTables) -> Tenant:
    """Return the tenant with what the body says of it; `Problem` request.invalid names every bad field."""
    errors: list[FieldError] = []
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name in _CHECKS:
            fields[name] = _CHECKS[name](value, tenant, errors)
        elif name not in NAMED_TABLES:
            errors.append(FieldError(name[:40], f"There is no such field; there are {', '.join(FIELDS)}."))
    own = {name: given[name] for name in NAMED_TABLES if name in given}
    if own:
        fields["configuration"] = merged = _merge(tenant.configuration, own, errors)
        _, complaints = tables.overlaid(merged)
        errors += [FieldError(path, _sentence(complaint)) for path, complaint in complaints]
    if errors:
        raise invalid(errors[:MAX_ERRORS])
    changed = replace(tenant, **fields)
    return changed if changed.name else replace(changed, name=changed.slug)


def new_tenant(given: Mapping[str, Any], tables: KindTables) -> Tenant:
    """Return the tenant that the body says, without an id yet; `Problem` request.invalid names every bad field."""
    slug = given.get("slug")
    if slug is None:
        raise invalid([FieldError("slug", "A tenant has a slug: up to 63 of a–z, 0–9 and -.")])
    nothing = Tenant(
        id=0,
        slug="",
        name="",
        state=TenantState.ACTIVE,
        hostnames=(),
        origins=(),
        anonymous_uploads=None,
        configuration={},
        revision=1,
        created_at=_NEVER,
        updated_at=_NEVER,
    )
    return changed_tenant(nothing, given, tables)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _slug(value: object, tenant: Tenant, errors: list[FieldError]) -> str:
    if not isinstance(value, str) or not is_slug(value):
        errors.append(FieldError("slug", "Up to 63 of a–z, 0–9 and -, beginning with a letter or a digit."))
        return tenant.slug
    if tenant.slug == DEFAULT_SLUG != value:
        errors.append(FieldError("slug", "The tenant default keeps its name: every unknown host leads to it."))
    return value


def _name(value: object, tenant: Tenant, errors: list[FieldError]) -> str:
    if value is not None and not isinstance(value, str):
        errors.append(FieldError("name", "A text, or null for the slug."))
        return tenant.name
    return check_text("name", value or "", MAX_NAME_CHARACTERS, errors) or ""


def _hostnames(value: object, _: Tenant, errors: list[FieldError]) -> tuple[str, ...]:
    said = "A list of host names such as photos.example.org, without scheme and port."
    return tuple(sorted(_list("hostnames", value, normal_host, said, MAX_HOSTNAMES, errors)))


def _origins(value: object, _: Tenant, errors: list[FieldError]) -> tuple[str, ...]:
    said = "A list of origins such as https://app.example.org, without a path; * is every one, without cookies."
    return tuple(_list("origins", value, normal_origin, said, MAX_ORIGINS, errors))


def _list(
    name: str,
    value: object,
    normal: Callable[[str], str | None],
    said: str,
    most: int,
    errors: list[FieldError],
) -> list[str]:
    given = value if isinstance(value, list) else [None] if value is not None else []
    found: dict[str, None] = {}
    for number, item in enumerate(given):
        text = normal(item) if isinstance(item, str) and "\0" not in item else None
        if text is None:
            errors.append(FieldError(f"{name}.{number}" if isinstance(value, list) else name, said))
        else:
            found[text] = None
    if len(given) > most:
        errors.append(FieldError(name, f"At most {most}."))
    return list(found)


def _anonymous_uploads(value: object, tenant: Tenant, errors: list[FieldError]) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    errors.append(FieldError("anonymous_uploads", "true, false, or null for what the installation says."))
    return tenant.anonymous_uploads


_CHECKS: Final[Mapping[str, Callable[[object, Tenant, list[FieldError]], object]]] = {
    "slug": _slug,
    "name": _name,
    "hostnames": _hostnames,
    "origins": _origins,
    "anonymous_uploads": _anonymous_uploads,
}


def _merge(configuration: Mapping[str, Any], own: Mapping[str, Any], errors: list[FieldError]) -> dict[str, Any]:
    """Return the tenant's tables with these laid over them."""
    result = dict(configuration)
    for section, given in own.items():
        if given is None:
            result.pop(section, None)
        elif isinstance(given, dict):
            result[section] = _merge_tables(section, result.get(section, {}), given, errors)
        else:
            errors.append(FieldError(section, _sentence(TABLE_EXPECTED)))
    return {section: tables for section, tables in result.items() if tables}


def _merge_tables(
    section: str, tables: Mapping[str, Any], given: Mapping[str, Any], errors: list[FieldError]
) -> dict[str, Any]:
    result = dict(tables)
    for name, table in given.items():
        if table is None:
            result.pop(name, None)
        elif not isinstance(table, dict):
            errors.append(FieldError(f"{section}.{name[:40]}", _sentence(TABLE_EXPECTED)))
        else:
            words = {**result.get(name, {}), **table}
            result[name] = {word: value for word, value in words.items() if value is not None}
            errors += [
                FieldError(f"{section}.{name[:40]}.{word[:40]}", "A value, or a list of values.")
                for word, value in table.items()
                if not _is_plain(value)
            ]
            result[name] = {word: value for word, value in result[name].items() if _is_plain(value)}
    return result


def _is_plain(value: object) -> bool:
    """Return whether a setting can be that: a text, a number, a switch, or a list of them."""
    items = value if isinstance(value, list) else [value]
    return not any(isinstance(item, list | dict) or (isinstance(item, str) and "\0" in item) for item in items)
