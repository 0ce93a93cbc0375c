"""What a benchmark prints: one row for each figure, with what it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEADINGS: Final = ("figure", "measured", "peer or limit", "ratio", "required", "")


@dataclass(frozen=True)
class Figure:
    """One row. `required` is how the ratio or the value must be; None for what is only told."""

    name: str
    measured: str
    reference: str = ""
    ratio: float | None = None
    required: str = ""
    passed: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        verdict = {True: "pass", False: "FAIL", None: ""}[self.passed]
        return (self.name, self.measured, self.reference, ratio, self.required, verdict)


def told(name: str, measured: str, reference: str = "") -> Figure:
    """Return a row that is not judged."""
    return Figure(name, measured, reference)


def limited(name: str, value: float, most: float, unit: str, note: str = "") -> Figure:
    """Return a row that passes when `value` is at most `most`."""
    text = f"{value:,.{_digits(value)}f} {unit}{note}"
    return Figure(name, text, f"{most:,.4g} {unit}", value / most, "≤ 1", value <= most)


def compared(
    name: str, value: float, peer: float, unit: str, *, peer_name: str, least: float = 0.0, most: float = 0.0
) -> Figure:
    """Return a row that passes when `value` is at least `least` times, or at most `most` times, the peer's."""
    ratio = value / peer
    required, passed = (f"≥ {least:g}", ratio >= least) if least else (f"≤ {most:g}", ratio <= most)
    reference = f"{peer:,.{_digits(peer)}f} {unit} {peer_name}"
    return Figure(name, f"{value:,.{_digits(value)}f} {unit}", reference, ratio, required, passed)


def _digits(value: float) -> int:
    return 0 if value >= 100 else 1 if value >= 10 else 2


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table whose columns line up."""
    rows = [HEADINGS, *(figure.cells for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` (0–1) of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
