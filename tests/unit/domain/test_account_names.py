"""Handles, addresses and passwords: what is taken, in which form, and what is not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.email_address import BadEmail, parse_email
from tintype.domain.handle import BadHandle, normal_handle
from tintype.domain.password import BadPassword, check_password, is_common


@given(st.text(max_size=40))
def test_a_handle_that_is_taken_is_plain_and_its_own_normal_form(text: str) -> None:
    try:
        handle = normal_handle(text)
    except BadHandle:
        return
    assert set(handle) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.")
    assert normal_handle(handle) == normal_handle(handle.upper()) == handle
    assert not {handle[0], handle[-1]} & set("_.")


@pytest.mark.parametrize("text", ["ada", "A.D.A", "a_1", "x" * 30, "0day"])
def test_plain_names_are_handles(text: str) -> None:
    assert normal_handle(text) == text.lower()


@pytest.mark.parametrize(
    "text", ["ａｄａ", "аda", "ada\0", "ada ", "a..b", "._", "support", "acc_0123456789a", "ada\u202e"]
)
def test_look_alikes_controls_and_reserved_names_are_none(text: str) -> None:
    with pytest.raises(BadHandle):
        normal_handle(text)


@pytest.mark.parametrize(
    ("text", "given_form", "normal"),
    [
        ("Ada@Example.ORG", "Ada@example.org", "ada@example.org"),
        (" ada+tag@example.org ", "ada+tag@example.org", "ada+tag@example.org"),
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example", "ada@xn--mnchen-3ya.example"),
    ],
)
def test_an_address_is_kept_as_given_and_unique_in_lower_case(text: str, given_form: str, normal: str) -> None:
    address = parse_email(text)
    assert (address.given, address.normal) == (given_form, normal)


@pytest.mark.parametrize(
    "text",
    [
        *("", "ada", "@example.org", "ada@", "ada@localhost", "ada@example..org", "a b@example.org", "ada@1.2.3.4"),
        *("ada@example.org\nBcc: eve@example.org", "ada\r@example.org", "ada@exa\0mple.org", "x" * 65 + "@example.org"),
        *("ada@" + "x" * 64 + ".org", "ada@example.org>", '"ada"@example.org', "åda@example.org", ".ada@example.org"),
    ],
)
def test_what_no_mail_can_be_sent_to_is_no_address(text: str) -> None:
    with pytest.raises(BadEmail):
        parse_email(text)


@given(st.text(max_size=60))
def test_no_text_breaks_out_of_an_address(text: str) -> None:
    try:
        address = parse_email(text)
    except BadEmail:
        return
    assert address.given.isascii()
    assert not set(address.given) & set('\r\n\0<> ,;:"')


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password123!",
        "P@ssw0rd2024",
        "qwertyuiop12",
        "iloveyou1234",
        "123456789012",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "1q2w3e4r5t6y",
        "!@#$%^&*()12",
        "Liverpool2019",
        "correcthorsebatterystaple",
        "michael-1987-jordan",
        "tintype2026!",
        "grandduchess",
        "grand.duchess99",
        "zxcvbnm,./123",
        "adminadmin123",
    ],
)
def test_what_guessers_try_first_is_refused(password: str) -> None:
    with pytest.raises(BadPassword) as caught:
        check_password(password, about=("grand.duchess", "grand.duchess@example.org", "tintype"))
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        "teapots sing in winter fog",
        "xK9#mQ2vLp7w",
        "öffentliche Kanäle rauschen",
        "🦊 jumps over 12 fences",
        "z" * 3 + "Vq81-hRtw",
    ],
)
def test_what_takes_long_to_guess_is_taken(password: str) -> None:
    assert check_password(password, about=("ada", "ada@example.org", "tintype")) == unicodedata.normalize(
        "NFKC", password
    )


def test_length_is_counted_after_the_normal_form() -> None:
    check_password("x8Kq-2vLm#Tz" + "é" * 116, about=())
    for text in ("x8Kq-2vLm#T", "x8Kq-2vLm#Tz" + "é" * 117, "x8Kq-2vLm#T\u0301"[:11]):
        with pytest.raises(BadPassword, match="12 to 128"):
            check_password(text, about=())
    assert check_password("ｘ８Kq-2vLm#Tz", about=()) == "x8Kq-2vLm#Tz"


def test_control_characters_are_refused() -> None:
    with pytest.raises(BadPassword, match="control"):
        check_password("x8Kq-2vLm#Tz\0", about=())


@given(st.text(max_size=128))
def test_no_text_takes_long_to_judge(text: str) -> None:
    is_common(text, about=(text[:20],))
