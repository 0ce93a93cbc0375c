"""The security document cites tests that there are: what it says is shown, is."""

import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
TEXT: Final = (ROOT / "docs/security.md").read_text()

CITED: Final = sorted(set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", TEXT)))
SENTENCES: Final = sorted(
    {
        (file, sentence.strip())
        for file, said in re.findall(r"`((?:\w+/)*test_\w+\.py)`: ([^`|]+)", TEXT)
        for sentence in said.split(";")
        if sentence.strip(" ,")
    }
)


def located(file: str) -> Path:
    """Return where a cited file is: below the repository, or below tests, wherever it is named without its folder."""
    places = [ROOT / file, ROOT / "tests" / file, *(ROOT / "tests").rglob(file)]
    return next((place for place in places if place.is_file()), places[0])


@cache
def names_in(file: str) -> tuple[str, ...]:
    return tuple(re.findall(r"def (test_\w+)", located(file).read_text()))


def plain(words: str) -> str:
    """Return words as the name of a test has them."""
    return re.sub(r"\W+", "_", words.lower().replace("'s", "s").replace("’s", "s")).strip("_")


@pytest.mark.parametrize("file", CITED)
def test_every_file_of_tests_that_is_cited_is_there(file: str) -> None:
    assert located(file).is_file()


@pytest.mark.parametrize(("file", "sentence"), SENTENCES)
def test_every_test_that_is_cited_by_its_sentence_is_there(file: str, sentence: str) -> None:
    pieces = [plain(piece) for piece in re.sub(r"\([^)]*\)", "", sentence).split("…")]
    assert any(all(piece in name for piece in pieces) for name in names_in(file)), names_in(file)


def test_enough_is_cited_for_this_to_mean_something() -> None:
    assert len(CITED) > 40
    assert len(SENTENCES) > 15
