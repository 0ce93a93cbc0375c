"""The privacy document names every table that there is, and no other."""

import re
from pathlib import Path
from typing import Final

from tintype.db.personal_data import KEPT, PERSONAL_TABLES

ROOT: Final = Path(__file__).resolve().parents[2]


def tables() -> set[str]:
    schema = (ROOT / "src/tintype/db/schema.sql").read_text()
    return set(re.findall(r"CREATE (?:UNLOGGED )?TABLE tintype\.(\w+)", schema))


def named() -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/privacy.md").read_text(), flags=re.MULTILINE)


def test_every_table_is_in_the_document_once_and_no_other_is() -> None:
    assert len(named()) == len(set(named()))
    assert set(named()) == tables()


def test_every_table_that_is_exported_or_kept_is_one() -> None:
    assert {table.name for table in PERSONAL_TABLES} | set(KEPT) <= tables()
