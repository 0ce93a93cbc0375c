import itertools

import pytest

from tintype.domain.image import LIVE, IllegalMove, State, move, sources_of

LEGAL = {
    (State.PROCESSING, State.READY),
    (State.PROCESSING, State.REJECTED),
    (State.PROCESSING, State.FAILED),
    (State.PROCESSING, State.QUARANTINED),
    (State.FAILED, State.PROCESSING),
    (State.READY, State.PROCESSING),
    (State.READY, State.QUARANTINED),
    (State.QUARANTINED, State.READY),
    (State.QUARANTINED, State.REJECTED),
    (State.REJECTED, State.PROCESSING),
    *((state, State.TRASHED) for state in LIVE),
    *((State.TRASHED, state) for state in LIVE),
    *((state, State.PURGED) for state in State if state is not State.PURGED),
}


@pytest.mark.parametrize(("current", "to"), list(itertools.product(State, State)))
def test_an_image_moves_along_the_life_cycle_and_nowhere_else(current: State, to: State) -> None:
    if (current, to) in LEGAL:
        assert move(current, to) is to
    else:
        with pytest.raises(IllegalMove):
            move(current, to)


@pytest.mark.parametrize("to", State)
def test_the_sources_of_a_state_are_those_that_may_move_to_it(to: State) -> None:
    assert set(sources_of(to)) == {current for current, target in LEGAL if target is to}
