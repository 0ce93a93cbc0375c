"""Kinds and presets as they are configured: `[kinds.*]` and `[presets.*]`, of the installation or of one tenant.

A tenant's tables are laid over the installation's, as `tintype.toml` is laid over the defaults: what they name is the
tenant's, what they do not name stays. One code reads both, so that they mean the same and complain alike.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from tintype.domain.attachment import ACCOUNT, Place
from tintype.domain.format import Format
from tintype.domain.kind import ATTACH_WITHIN, Limits, UploadKind
from tintype.domain.transform import MAX_SIDE, Fit, Preset, Recipe, Transform
from tintype.domain.visibility import Visibility
from tintype.settings_reader import Complaint, Reader
from tintype.settings_values import (
    at_least,
    duration,
    key_of,
    list_of,
    one_of,
    pixels,
    size,
    some_of,
    switch,
    text,
    whole,
)

NAMED_TABLES: Final = {
    "presets": ("width", "height", "fit", "quality", "eager"),
    "kinds": (
        "max_bytes",
        "max_pixels",
        "max_frames",
        "formats",
        "presets",
        "outputs",
        "visibility",
        "attach",
        "attach_within",
        "one_per_owner",
        "expires_in",
    ),
}
"""Tables to which a table of any name may be added, and what may be in it; everywhere else the names are given."""

TABLE_EXPECTED: Final = "is a table of settings, not a value."

MAX_OWN_TABLES: Final = 50
"""A tenant's kinds, and its presets: each is read whenever the tenant is, and kept in the memory of every process."""

MAX_PRESETS_OF_KIND: Final = 20
"""Of a tenant's kind: each is a picture that somebody's upload has made, in every output."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_LIMITS: Final = ("max_bytes", "max_pixels", "max_frames")


@dataclass(frozen=True, slots=True)
class KindTables:
    """The installation's tables by name, as plain values."""

    presets: Mapping[str, Mapping[str, Any]]
    kinds: Mapping[str, Mapping[str, Any]]

    def overlaid(self, own: Mapping[str, Any]) -> tuple[dict[str, UploadKind], list[Complaint]]:
        """Return the kinds of a tenant that has these tables of its own, and what is wrong with those.

        The kinds can be used in any case: what the installation has been set to since may leave a table of a tenant
        behind, which then gets what there is.
        """
        values = {"presets": _copied(self.presets), "kinds": _copied(self.kinds)}
        installed = read_kinds(Reader(values))
        complaints = list(_lay_over(values, own))
        reader = Reader(values)
        kinds = read_kinds(reader)
        complaints += reader.complaints
        named = own.get("kinds")
        for name in kinds.keys() & (named.keys() if isinstance(named, Mapping) else ()):
            complaints += _excesses(kinds[name], installed)
            kinds[name] = _bounded(kinds[name], installed)
        return kinds, complaints


def _copied(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: deepcopy(dict(table)) for name, table in tables.items()}


def _lay_over(values: dict[str, dict[str, dict[str, Any]]], own: Mapping[str, Any]) -> Iterator[Complaint]:
    """Put a tenant's tables where the installation's are, and give what cannot be put."""
    for section, given in own.items():
        if section not in NAMED_TABLES:
            yield Complaint(section, f"there is no such table; there are {', '.join(NAMED_TABLES)}.")
        elif not isinstance(given, Mapping):
            yield Complaint(section, TABLE_EXPECTED)
        elif len(given) > MAX_OWN_TABLES:
            yield Complaint(section, f"has more than {MAX_OWN_TABLES} tables.")
        else:
            for name, table in given.items():
                yield from _put_table(values[section], section, name, table)


def _put_table(tables: dict[str, dict[str, Any]], section: str, name: str, table: object) -> Iterator[Complaint]:
    path = f"{section}.{name[:40]}"
    if not _NAME.fullmatch(name):
        yield Complaint(path, "a name has up to 32 of a–z, 0–9, - and _, and begins with a letter or a digit.")
    elif not isinstance(table, Mapping):
        yield Complaint(path, TABLE_EXPECTED)
    else:
        tables.setdefault(name, {})
        for key, value in table.items():
            problem = put_named(tables, [name, key], value, keys=NAMED_TABLES[section])
            if problem is not None:
                yield Complaint(f"{path}.{key[:40]}", problem)


def put_named(tables: dict[str, Any], parts: list[str], value: object, *, keys: tuple[str, ...]) -> str | None:
    """Put the value into one of the named tables, made if need be, or return what is wrong with that."""
    match parts:
        case [name, key] if key in keys:
            tables.setdefault(name, {})[key] = value
            return None
        case [] | [_]:
            return TABLE_EXPECTED
        case _:
            return f"there is no such setting; there are {', '.join(keys)}."


def _excesses(kind: UploadKind, installed: Mapping[str, UploadKind]) -> Iterator[Complaint]:
    """Give each limit of a tenant's kind that is above what any kind of the installation allows.

    The limits protect the machine, which is the installation's; so does the number of pictures made of one.
    """
    path = f"kinds.{kind.name}"
    for name in _LIMITS:
        most = _most(installed, name)
        if getattr(kind.limits, name) > most:
            yield Complaint(f"{path}.{name}", f"is more than {most:,}, the most that this installation takes.")
    if len(kind.recipe.presets) > MAX_PRESETS_OF_KIND:
        yield Complaint(f"{path}.presets", f"has more than {MAX_PRESETS_OF_KIND}.")


def _bounded(kind: UploadKind, installed: Mapping[str, UploadKind]) -> UploadKind:
    most = {name: min(getattr(kind.limits, name), _most(installed, name)) for name in _LIMITS}
    return replace(kind, limits=replace(kind.limits, **most))


def _most(installed: Mapping[str, UploadKind], limit: str) -> int:
    most: int = max(getattr(kind.limits, limit) for kind in installed.values())
    return most


def read_kinds(read: Reader) -> dict[str, UploadKind]:
    """Return the kinds that the tables `kinds` and `presets` say."""
    presets = {name: _preset(read, name) for name in read.table("presets")}
    return {name: _kind(read, name, presets) for name in read.table("kinds")}


def _preset(read: Reader, name: str) -> Preset:
    path = f"presets.{name}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", name) or name == "original":
        read.complain(path, "a preset is named by up to 32 of a–z, 0–9 and -, and never 'original'.")
    transform = Transform(
        width=read.read(f"{path}.width", whole(1, MAX_SIDE), 0),
        height=read.read(f"{path}.height", whole(1, MAX_SIDE), 0),
        fit=read.read(f"{path}.fit", Fit, Fit.COVER),
        quality=read.read(f"{path}.quality", whole(1, 100), 80),
    )
    if not (transform.width and transform.height):
        read.complain(path, f"needs a width and a height of 1 to {MAX_SIDE} pixels.")
    return Preset(name, transform, eager=read.read(f"{path}.eager", switch, True))


_OUTPUTS: Final = (Format.JPEG, Format.PNG, Format.WEBP)
"""What variants are made as. GIF is read only: every browser shows one of these, at a fraction of the size."""


def _output_format(value: object) -> Format:
    return Format(one_of(*_OUTPUTS)(value))


def _attach_of(kind: str) -> Callable[[object], str]:
    """Return what reads what the images of a kind belong to."""

    def read(value: object) -> str:
        belongs = text(value)
        if belongs == ACCOUNT and kind not in tuple(Place):
            raise ValueError(f"is for {' and '.join(Place)} alone: an account has no other images of its own")
        return belongs

    return read


def _kind(read: Reader, name: str, presets: dict[str, Preset]) -> UploadKind:
    path = f"kinds.{name}"
    formats = read.read(f"{path}.formats", some_of(Format), tuple(Format))
    nothing: tuple[str, ...] = ()
    wanted = read.read(f"{path}.presets", list_of(key_of(presets)), nothing)
    limits = Limits(
        max_bytes=read.read(f"{path}.max_bytes", size, 10_000_000),
        max_pixels=read.read(f"{path}.max_pixels", pixels, 50_000_000),
        max_frames=read.read(f"{path}.max_frames", whole(1, 100_000), 500),
        formats=frozenset(formats),
    )
    return UploadKind(
        name=name,
        limits=limits,
        recipe=Recipe(
            presets=tuple(presets[preset] for preset in wanted),
            outputs=read.read(f"{path}.outputs", some_of(_output_format), (Format.JPEG, Format.WEBP)),
        ),
        visibility=read.read(f"{path}.visibility", Visibility, Visibility.PUBLIC),
        attach=read.read(f"{path}.attach", _attach_of(name), None),
        attach_within=read.read(f"{path}.attach_within", at_least(timedelta(seconds=1)), ATTACH_WITHIN),
        one_per_owner=read.read(f"{path}.one_per_owner", switch, False),
        expires_in=read.read(f"{path}.expires_in", duration, None),
    )
