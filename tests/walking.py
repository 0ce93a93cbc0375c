"""A story of the product, killed after each of its steps in turn, until it survives.

A `Story` says what to prepare, what to ask for and how to judge what is left. `walk` does it again and again: the first
time the process is killed after the first step, then after the second …, and each time the product has to come back by
itself before the judgement.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import httpx

from killing import pids
from product import Product, eventually
from stepping import Stepper, is_outward, stepping

BACK_SECONDS: Final = 30.0
QUIET_SECONDS: Final = 0.15
"""What a request leaves to be done when it was answered is begun within this time."""

LATE: Final = 3
"""How often a step is tried again because the process was quicker than the kill."""

Subject = TypeVar("Subject")
Answer = httpx.Response | None


@dataclass(frozen=True)
class Story(Generic[Subject]):
    """What is done in each trial; `judge` gets None when nobody answered, and returns complaints."""

    name: str
    prepare: Callable[[], Subject]
    act: Callable[[Subject], httpx.Response]
    judge: Callable[[Subject, Answer], list[str]]


@dataclass
class Walked:
    """What came of it."""

    name: str
    trials: int = 0
    acknowledged: int = 0
    """Of the trials that ended with a kill: those that were answered before it."""
    steps: list[str] = field(default_factory=list)
    """Of the trial that survived."""
    complaints: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.trials} kills at {len(self.steps)} steps, {self.acknowledged} after the answer, "
            f"{len(self.complaints)} complaints {self.complaints[:3]}"
        )


def walk(
    product: Product,
    story: Story[Subject],
    *,
    role: str = "api process",
    counts: Callable[[str], bool] = is_outward,
    until_caught: bool = False,
    first: int = 1,
    every: int = 1,
) -> Walked:
    """Kill the process with this role after each step of the story, until the story is done before its last.

    With `until_caught` the first complaint ends it; with `every` the walk begins at the `first` step and takes strides.
    """
    walked, step, late = Walked(story.name), first, 0
    while True:
        subject = story.prepare()
        with stepping(_ready(product, role), kill_after=step, counts=counts) as stepper:
            answer = _ask(story.act, subject, stepper)
            stepper.killed.wait(QUIET_SECONDS)
        if not stepper.killed.is_set():
            walked.steps = stepper.steps
            walked.complaints += story.judge(subject, answer)
            return walked
        walked.trials += 1
        walked.acknowledged += answer is not None
        _ready(product, role)
        walked.complaints += [
            f"{says} (killed after {stepper.steps[step - 1]})" for says in story.judge(subject, answer)
        ]
        if walked.complaints and until_caught:
            return walked
        late = late + 1 if stepper.overshot and late < LATE else 0
        step += 0 if late else every


def _ask(act: Callable[[Subject], httpx.Response], subject: Subject, stepper: Stepper) -> Answer:
    """Return the answer, or None when the process died before it gave one."""
    try:
        return act(subject)
    except httpx.TransportError:
        if not stepper.killed.is_set():
            raise
        return None


def _ready(product: Product, role: str) -> list[int]:
    """Return the processes of this role, once they are all there and the product answers."""
    assert eventually(lambda: bool(pids(product, role)) and _answers(product), within=BACK_SECONDS)
    return pids(product, role)


def _answers(product: Product) -> bool:
    try:
        return product.stranger.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
