"""Passwords: long enough, and none that guessers try first. No rule about digits or signs (NIST SP 800-63B-4 §3.1.1.2).

At least 12 characters: 8 fall to a graphics card even behind argon2id once the database is stolen, and 15, which NIST
asks for where nothing but a password protects, is more than people type on a phone without writing it down. At most
128: more than any password manager makes, and little enough to be hashed without a thought. Length is counted, and
hashed, after NFKC, so that one password is the same on every keyboard (NIST SP 800-63B-4 §3.1.1.2).

What guessers try first is not one list of passwords but the way people build them: a common word, a year, a run of
keys, a sign at the end. So everything of that kind is taken out, and something must be left.
"""

import re
import unicodedata
from typing import Final

from tintype.domain.common_words import COMMON_WORDS

MIN_CHARACTERS: Final = 12
MAX_CHARACTERS: Final = 128

LEAST_LEFT: Final = 4
"""Characters that must be left when everything common is taken out; three are tried in a second."""

LEAST_DIFFERENT: Final = 5
"""Different characters in the whole password."""

_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()",
)
"""The alphabet, counting, and the rows and columns of keyboards."""

_SHORTEST_RUN: Final = 3
_SHORTEST_NAME: Final = 3

_LEET: Final = str.maketrans("@4301!$57", "aaeoiisst")
"""The digits and signs that people put for letters."""


class BadPassword(ValueError):
    """The password is not taken; the message says why, as a sentence for whoever chose it. It never quotes it."""


def normal_password(text: str) -> str:
    """Return the password as it is hashed."""
    return unicodedata.normalize("NFKC", text)


def check_password(text: str, *, about: tuple[str, ...]) -> str:
    """Return the normal form of a new password; `BadPassword` for one that is easy to guess.

    `about` are words that guessers try for this account: its handle, its address, the name of the site.
    """
    password = normal_password(text)
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise BadPassword(f"A password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters.")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in password):
        raise BadPassword("A password has no control characters.")
    if len(set(password)) < LEAST_DIFFERENT or is_common(password, about=about):
        raise BadPassword("This password is easy to guess. Take a few words that nobody would put together.")
    return password


def is_common(password: str, *, about: tuple[str, ...] = ()) -> bool:
    """Return whether too little is left of a password without what is common and what is known of its owner."""
    return len(_without_common(password.casefold(), about)) < LEAST_LEFT


def _without_common(text: str, about: tuple[str, ...]) -> str:
    known = {part for word in about for part in re.split(r"[^a-z0-9]+", word.casefold()) if len(part) >= _SHORTEST_NAME}
    for word in sorted(COMMON_WORDS | known, key=len, reverse=True):
        text = _without_word(text, word)
    text = re.sub(r"(.+?)\1{2,}", "\n", text)  # what is repeated three times
    text = re.sub(r"(?:19|20)\d\d", "\n", text)  # a year
    for run in (*_RUNS, *(run[::-1] for run in _RUNS)):
        text = _without_run(text, run)
    return "".join(character for character in text if character.isalnum())


def _without_word(text: str, word: str) -> str:
    """Return the text without the word, also where digits and signs stand for its letters."""
    text = text.replace(word, "\n")
    while (start := text.translate(_LEET).find(word)) >= 0:  # of the same length, so what stands there is known
        text = f"{text[:start]}\n{text[start + len(word) :]}"
    return text


def _without_run(text: str, run: str) -> str:
    """Return the text without pieces of the run, the longest first."""
    for length in range(min(len(run), len(text)), _SHORTEST_RUN - 1, -1):
        for start in range(len(run) - length + 1):
            text = text.replace(run[start : start + length], "\n")
    return text
