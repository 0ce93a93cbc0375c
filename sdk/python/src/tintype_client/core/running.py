"""A flow under way, as its driver holds it: the effect that it wants, or what it came to."""

from collections.abc import Callable
from typing import Generic, TypeVar

from tintype_client.core.effects import Effect, Flow

T = TypeVar("T")


class Running(Generic[T]):
    """Perform `effect`, then `resume` with what it came to or `fail` with what went wrong, until `ended`."""

    effect: Effect
    result: T

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self.ended = False
        self._advance(lambda: next(flow))

    def resume(self, value: object) -> None:
        """Go on with what the effect came to."""
        self._advance(lambda: self._flow.send(value))

    def fail(self, error: BaseException) -> None:
        """Go on with what went wrong; raises what the flow does not handle."""
        self._advance(lambda: self._flow.throw(error))

    def _advance(self, step: Callable[[], Effect]) -> None:
        try:
            self.effect = step()
        except StopIteration as end:
            self.ended = True
            self.result = end.value
