"""One thing that the doctor looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` says what to do when it is not as it should be."""

    subject: str
    ok: bool
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        mark = "ok  " if self.ok else "BAD "
        return f"{mark} {self.subject}: {self.detail}" + (f" {self.advice}" if self.advice and not self.ok else "")
