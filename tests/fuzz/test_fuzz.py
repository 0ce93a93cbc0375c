"""A short, repeatable run of the fuzzer over the sanitiser and the parsers of HTTP; `make fuzz` goes on from here."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import fuzzing
from decoders import Decoders
from file_units import foreign_units, joined, outside_the_picture, units_of
from fuzz_parsers import HEADERS, Multipart
from fuzz_sanitiser import Sanitiser
from fuzzing import Run, fuzz, kept_seeds, write_down
from mutations import WHOLE_UNITS, WITHIN, mutated
from sanitising import CANARY, LIMITS, stored, written
from tintype.domain.errors import Problem
from tintype.imaging.examine import examine

SEED: Final = 20_260_101


@pytest.fixture(scope="module")
def sanitiser() -> Iterator[Sanitiser]:
    with Decoders() as decoders:
        yield Sanitiser(decoders)
        assert decoders.deaths == 0, "a decoder died or hung"


def findings(run: Run) -> list[str]:
    return [finding.error for finding in run.findings]


def test_the_sanitiser_keeps_its_promises_on_mutated_files(sanitiser: Sanitiser) -> None:
    run = fuzz(sanitiser, seed=SEED, iterations=2_500)
    assert findings(run) == []
    assert len(run.behaviours) > 100  # mutants are refused, and accepted, in many ways


@pytest.mark.parametrize("target", HEADERS, ids=lambda target: target.name)
def test_a_parser_takes_any_value_and_says_what_it_read(target: fuzzing.Target) -> None:
    assert findings(fuzz(target, seed=SEED, iterations=4_000)) == []


def test_a_form_is_read_alike_in_whatever_pieces_it_comes() -> None:
    with asyncio.Runner() as runner:
        assert findings(fuzz(Multipart(runner), seed=SEED, iterations=250)) == []


# The fuzzer itself


def test_moving_whole_units_never_makes_a_picture_of_a_canary(sanitiser: Sanitiser) -> None:
    dice, accepted = random.Random(SEED), 0
    planted = [data for data in sanitiser.examples() if CANARY in data]
    for _ in range(1_500):
        data = mutated(dice.choice(planted), dice, WHOLE_UNITS)
        try:
            examined = examine(data, LIMITS)
        except Problem:
            continue
        accepted += 1
        assert CANARY not in written(data, examined)
    assert accepted > 100


def test_units_put_together_are_the_file_whatever_became_of_it(sanitiser: Sanitiser) -> None:
    dice = random.Random(SEED)
    for data in sanitiser.examples():
        assert len(units_of(data)) >= 2
        for mutator in (*WHOLE_UNITS, *WITHIN):
            mutant = mutator(data, dice)
            assert joined(units_of(mutant)) == mutant


def test_what_the_sanitiser_would_drop_is_foreign_to_a_stored_file(sanitiser: Sanitiser) -> None:
    for data in sanitiser.examples():
        assert foreign_units(stored(data)) == []
        if CANARY in data:
            assert foreign_units(data) != []
            assert outside_the_picture(data, CANARY) or b"iCCP" + CANARY in data


class Careless(Sanitiser):
    """The control: it takes every file for clean."""

    def check(self, data: bytes) -> str:
        """Keep everything."""
        assert foreign_units(data) == []
        return ""


class Repainting(Sanitiser):
    """The other control: what is stored is another picture."""

    def check(self, data: bytes) -> str:
        """Change one byte in the last quarter."""
        examined = examine(data, LIMITS)
        other = written(data, examined)
        middle = len(other) * 3 // 4
        self._shows_the_same(data, other[:middle] + b"\x55" + other[middle + 1 :], examined)
        return ""


@pytest.mark.parametrize("broken", [Careless, Repainting])
def test_a_sanitiser_that_lets_through_or_repaints_is_found_out(broken: type[Sanitiser]) -> None:
    with Decoders() as decoders:
        assert findings(fuzz(broken(decoders), seed=SEED, iterations=20)) != []


def test_a_finding_becomes_a_smaller_seed_that_the_next_run_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fragile:
        name = "fragile"

        def examples(self) -> list[bytes]:
            return [b"a harmless beginning"]

        def mutate(self, data: bytes, dice: random.Random) -> bytes:
            return data + dice.choice((b"x", b"BOOM"))

        def check(self, data: bytes) -> str:
            assert b"BOOM" not in data
            return "well"

    monkeypatch.setattr(fuzzing, "SEEDS", tmp_path)
    [finding] = fuzz(Fragile(), seed=1, iterations=50).findings
    assert finding.data == b"BOOM"
    kept = write_down(Fragile(), finding)
    assert kept_seeds("fragile") == [kept]
    assert findings(fuzz(Fragile(), seed=1)) != []
