"""How long functions and files are, held against the house rules (CONTRIBUTING.md).

Prints the distribution and the longest of each, and fails when one of ten functions or files is too long, or when a
single file must be split. Lines are counted as they stand, docstrings and comments included: they are read too.
"""

import ast
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GROUPS = {"product": ("src",), "clients": ("sdk",), "tests and tools": ("tests", "bench", "scripts")}
SUFFIXES = {".py", ".js", ".ts", ".vue", ".css", ".html"}
BUILT = {"node_modules", "dist"}  # folders that hold what others wrote or a build made

FUNCTION_LINES = 35  # 9 of 10 functions fit
FILE_LINES = 350  # 9 of 10 files fit
QUESTION_LINES = 400  # is this file still one thing?
SPLIT_LINES = 600  # it is not
SHOWN = 5  # offenders named per list


@dataclass(frozen=True, order=True)
class Sized:
    """Something that has a length in lines."""

    lines: int
    where: str


def source_files(folders: Iterable[str]) -> list[Path]:
    """Return the source files below the folders, without what is built or installed."""
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)
    return sorted(path for path in paths if not BUILT.intersection(path.parts))


def file_size(path: Path) -> Sized:
    """Return the number of lines of a file."""
    return Sized(len(path.read_text().splitlines()), str(path.relative_to(ROOT)))


def function_sizes(path: Path) -> list[Sized]:
    """Return every function of a Python file, from `def` to its last line; nested ones count for both."""
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [
        Sized((node.end_lineno or node.lineno) - node.lineno + 1, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
        for node in functions
    ]


def percentile(sizes: Sequence[Sized], percent: int) -> int:
    """Return the least length that `percent` of the sizes do not exceed (nearest rank); 0 without sizes."""
    ranked = sorted(size.lines for size in sizes)
    return ranked[-(-len(ranked) * percent // 100) - 1] if ranked else 0


def report(kind: str, sizes: Sequence[Sized], limit: int) -> bool:
    """Print how the sizes are spread and the longest beyond the limit; return whether 9 of 10 are within it."""
    p50, p90, longest = (percentile(sizes, percent) for percent in (50, 90, 100))
    print(f"{kind:27} {len(sizes):5}   half ≤ {p50:3}   9 of 10 ≤ {p90:3} (limit {limit})   longest {longest:3}")
    beyond = sorted((size for size in sizes if size.lines > limit), reverse=True)
    for size in beyond[:SHOWN]:
        print(f"{size.lines:10} lines  {size.where}")
    if len(beyond) > SHOWN:
        print(f"           and {len(beyond) - SHOWN} more")
    return len(beyond) <= max(1, len(sizes) // 10)  # of fewer than ten, one may be long


def judge_files(files: Sequence[Sized]) -> bool:
    """Print which files are a question or must be split; return whether none must."""
    for size in sorted((size for size in files if size.lines > QUESTION_LINES), reverse=True):
        verdict = "must be split" if size.lines > SPLIT_LINES else "is it still one thing?"
        print(f"{size.where}: {size.lines} lines, {verdict}")
    return all(size.lines <= SPLIT_LINES for size in files)


def main() -> int:
    """Report on each group; return the exit status."""
    kept = True
    for group, folders in GROUPS.items():
        paths = source_files(folders)
        files = [file_size(path) for path in paths]
        functions = [size for path in paths if path.suffix == ".py" for size in function_sizes(path)]
        kept &= report(f"{group}: functions", functions, FUNCTION_LINES)
        kept &= report(f"{group}: files", files, FILE_LINES)
        kept &= judge_files(files)
    if not kept:
        print("Sizes are beyond the rules: see CONTRIBUTING.md.")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
