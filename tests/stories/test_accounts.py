"""People: they sign up, sign in and out, and are who they say; as a browser and as a program do it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

import people
from people import PASSWORD, Person
from product import Product
from refusals import assert_problem

API: Final = "/api/v1"


@pytest.fixture(scope="module")
def ada(product: Product) -> Person:
    """Give somebody who has an account and a session."""
    return people.signed_up(product, "ada")


def test_who_signed_up_signs_in_by_handle_and_by_address_whatever_the_case(product: Product, ada: Person) -> None:
    for login in ("ada", "ADA", ada.email, ada.email.upper()):
        answer = product.stranger.post(f"{API}/sessions", json={"login": login, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        session = answer.json()
        assert session["account"]["handle"] == "ada"
        shown = product.stranger.get(f"{API}/session", headers={"authorization": f"Bearer {session['token']}"})
        assert shown.json()["account"]["id"] == session["account"]["id"]


def test_a_wrong_password_and_a_name_that_there_is_not_are_answered_alike(product: Product, ada: Person) -> None:
    answers = [
        product.stranger.post(f"{API}/sessions", json={"login": login, "password": password})
        for login, password in (
            (ada.handle, "another password entirely"),
            ("nobody.at.all", PASSWORD),
            ("nobody@example.org", PASSWORD),
            ("not a name", PASSWORD),
            (ada.handle, PASSWORD + "x"),
            (ada.handle, "x" * 5000),
        )
    ]
    told = [assert_problem(answer, 401, "auth.failed") for answer in answers]
    assert len({problem["detail"] for problem in told}) == 1


@pytest.mark.usefixtures("ada")
def test_a_browser_changes_something_only_with_the_token_of_its_page(product: Product) -> None:
    with httpx.Client(base_url=product.base_url) as browser:
        signed_in = browser.post(f"{API}/sessions", json={"login": "ada", "password": PASSWORD})
        cookie = signed_in.headers.get_list("set-cookie")[0].lower()
        assert all(word in cookie for word in ("tintype_session=tts_", "httponly", "samesite=lax", "path=/"))
        assert "secure" not in cookie  # this server is not reached by TLS
        assert browser.get(f"{API}/account").json()["handle"] == "ada"
        assert_problem(browser.patch(f"{API}/account", json={"name": "Mallory"}), 403, "auth.forbidden")
        token = browser.get(f"{API}/session").json()["csrf_token"]
        assert token == signed_in.json()["csrf_token"]
        changed = browser.patch(f"{API}/account", json={"name": "Ada"}, headers={"x-csrf-token": token})
        assert changed.json()["name"] == "Ada"
        assert browser.delete(f"{API}/session", headers={"x-csrf-token": token}).status_code == 204
        assert_problem(browser.get(f"{API}/account"), 401, "auth.required")
    again = product.stranger.get(f"{API}/account", headers={"authorization": f"Bearer {signed_in.json()['token']}"})
    assert_problem(again, 401, "auth.required")


def test_what_is_no_json_signs_nobody_in(product: Product, ada: Person) -> None:
    body = f'{{"login": "{ada.handle}", "password": "{PASSWORD}"}}'
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = product.stranger.post(f"{API}/sessions", content=body, headers={"content-type": content_type})
        assert_problem(answer, 400, "request.unreadable")


def test_sessions_are_listed_and_ended_one_by_one_or_all_others_at_once(product: Product) -> None:
    eve = people.signed_up(product, "eve")
    others = [eve.another_session(agent=f"phone {number}") for number in range(3)]
    listed = eve.client.get(f"{API}/sessions").json()["items"]
    assert [item["agent"] for item in listed][:3] == ["phone 2", "phone 1", "phone 0"]
    assert [item["current"] for item in listed] == [False, False, False, True]
    assert {item["address"] for item in listed} == {"127.0.0.1"}
    assert eve.client.delete(f"{API}/sessions/{listed[0]['id']}").status_code == 204
    assert [other.client.get(f"{API}/account").status_code for other in others] == [200, 200, 401]
    assert eve.client.delete(f"{API}/sessions").status_code == 204
    assert [other.client.get(f"{API}/account").status_code for other in others] == [401, 401, 401]
    assert len(eve.client.get(f"{API}/sessions").json()["items"]) == 1


def test_somebody_elses_session_is_not_there(product: Product, ada: Person) -> None:
    mallory = people.signed_up(product, "mallory")
    (of_ada,) = (item["id"] for item in ada.client.get(f"{API}/sessions").json()["items"] if item["current"])
    for name in (of_ada, "ses_00000000000", "ses_" + "z" * 11, "nonsense", of_ada[:-1]):
        assert_problem(mallory.client.delete(f"{API}/sessions/{name}"), 404, "not_found")
    assert ada.client.get(f"{API}/account").status_code == 200


def test_a_swapped_or_shortened_token_is_nobodys(product: Product, ada: Person) -> None:
    other = people.signed_up(product, "trudy")
    ours, theirs = ada.token, other.token
    for token in (ours[:15] + theirs[15:], theirs[:15] + ours[15:], ours[:-1], ours + "0", "ttk_" + ours[4:]):
        answer = product.stranger.get(f"{API}/account", headers={"authorization": f"Bearer {token}"})
        assert_problem(answer, 401, "auth.required")


def test_of_many_who_want_one_handle_at_once_exactly_one_gets_it(product: Product) -> None:
    def attempt(number: int) -> httpx.Response:
        wanted = {"handle": "One.Handle", "email": f"someone{number}@example.org", "password": PASSWORD}
        return product.stranger.post(f"{API}/accounts", json=wanted)

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(attempt, range(1000)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 999}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"account.handle_taken"}
    ((count,),) = product.query("SELECT count(*) FROM accounts WHERE handle = 'one.handle'")
    ((addresses,),) = product.query("SELECT count(*) FROM emails WHERE email LIKE 'someone%%'")
    assert (count, addresses) == (1, 1)  # whoever was refused left nothing


@pytest.mark.parametrize(
    ("handle", "why"),
    [
        ("a", "2 to 30"),
        ("x" * 31, "2 to 30"),
        ("аda", "look alike"),  # a Cyrillic letter
        ("ada\u200b", "look alike"),
        ("ada\n", "stand alone"),
        ("_ada", "stand alone"),
        ("ad..a", "stand alone"),
        ("admin", "reserved"),
        ("ADMIN", "reserved"),
        ("acc_00000000000", "reserved"),
    ],
)
def test_a_handle_that_is_none_is_refused_with_the_reason(product: Product, handle: str, why: str) -> None:
    wanted = {"handle": handle, "email": "x@example.org", "password": PASSWORD}
    problem = assert_problem(product.stranger.post(f"{API}/accounts", json=wanted), 422, "request.invalid")
    (error,) = problem["errors"]
    assert error["field"] == "handle"
    assert why in error["message"]


def test_every_mistake_of_a_sign_up_is_told_at_once_and_no_password_is_repeated(product: Product) -> None:
    wanted: dict[str, Any] = {"handle": "!", "email": "none", "password": "password1234", "role": "operator"}
    answer = product.stranger.post(f"{API}/accounts", json=wanted)
    problem = assert_problem(answer, 422, "request.invalid")
    assert {error["field"] for error in problem["errors"]} == {"handle", "email", "password", "role"}
    assert "password1234" not in answer.text


def test_a_profile_is_changed_as_it_was_read_or_not_at_all(product: Product, ada: Person) -> None:
    tag = ada.client.get(f"{API}/account").headers["etag"]
    changes = {"bio": "Counts.", "links": ["https://example.org/ada"], "private": True}
    changed = ada.client.patch(f"{API}/account", json=changes, headers={"if-match": tag})
    assert changed.status_code == 200, changed.text
    assert {name: changed.json()[name] for name in changes} == changes
    late = ada.client.patch(f"{API}/account", json={"bio": "Late."}, headers={"if-match": tag})
    assert_problem(late, 412, "precondition_failed")
    shown = product.stranger.get(f"{API}/accounts/Ada").json()
    assert (shown["bio"], shown["private"], shown["followers"]) == ("Counts.", True, 0)
    assert not {"email", "role", "state", "email_verified"} & shown.keys()
    assert product.stranger.get(f"{API}/accounts/{shown['id']}").json() == shown


def test_what_a_profile_may_not_say_is_refused_field_by_field(ada: Person) -> None:
    wrong = {"name": "x" * 61, "bio": "turned \u202e round", "links": ["javascript:alert(1)"], "private": "yes"}
    problem = assert_problem(ada.client.patch(f"{API}/account", json=wrong), 422, "request.invalid")
    assert {error["field"] for error in problem["errors"]} == set(wrong)


@pytest.mark.usefixtures("ada")
def test_a_new_handle_lets_go_of_the_old_one_and_takes_nobody_elses(product: Product) -> None:
    grace = people.signed_up(product, "grace")
    taken = grace.client.patch(f"{API}/account", json={"handle": "ADA"})
    assert_problem(taken, 409, "account.handle_taken")
    assert grace.client.patch(f"{API}/account", json={"handle": "amazing.grace"}).status_code == 200
    assert_problem(product.stranger.get(f"{API}/accounts/grace"), 404, "not_found")
    assert people.signed_up(product, "grace").handle == "grace"


def test_only_hashes_are_stored_and_they_have_the_parameters_of_owasp(product: Product, ada: Person) -> None:
    ((stored,),) = product.query("SELECT password_hash FROM accounts WHERE handle = 'ada'")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    ((sessions,),) = product.query("SELECT string_agg(encode(secret_hash, 'hex'), ' ') FROM sessions")
    assert ada.token not in sessions
    log = product.log.read_text()
    assert PASSWORD not in log
    assert ada.token not in log


def test_a_hash_with_weaker_parameters_is_made_anew_at_the_next_sign_in(product: Product) -> None:
    import argon2  # noqa: PLC0415 -- of this test alone

    old = people.signed_up(product, "old.timer")
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    product.query("UPDATE accounts SET password_hash = %s WHERE handle = 'old.timer'", weak)
    assert old.another_session().client.get(f"{API}/account").status_code == 200
    ((stored,),) = product.query("SELECT password_hash FROM accounts WHERE handle = 'old.timer'")
    assert "m=19456,t=2,p=1" in stored
    assert old.another_session().client.get(f"{API}/account").status_code == 200


def test_a_session_lasts_a_month_from_its_last_use_and_never_beyond_three(product: Product) -> None:
    person = people.signed_up(product, "slider")
    product.query(
        "UPDATE sessions SET created_at = now() - interval '70 days', seen_at = now() - interval '29 days',"
        " expires_at = now() + interval '1 day' WHERE account = (SELECT account FROM handles WHERE handle = 'slider')"
    )
    assert person.client.get(f"{API}/account").status_code == 200
    ((left,),) = product.query(
        "SELECT expires_at - created_at FROM sessions"
        " WHERE account = (SELECT account FROM handles WHERE handle = 'slider')"
    )
    assert left.days == 90
    product.query(
        "UPDATE sessions SET expires_at = now() WHERE account = (SELECT account FROM handles WHERE handle = 'slider')"
    )
    assert_problem(person.client.get(f"{API}/account"), 401, "auth.required")
    product.query("SELECT sweep_sessions(100)")
    assert product.query("SELECT 1 FROM sessions WHERE expires_at < now()") == []


def test_a_suspended_account_is_told_so_at_once_and_is_back_when_it_is_restored(product: Product) -> None:
    person = people.signed_up(product, "troll")
    suspended = product.client.patch(f"{API}/accounts/troll", json={"state": "suspended", "reason": "spam"})
    assert suspended.json()["state_reason"] == "spam"
    assert_problem(person.client.get(f"{API}/account"), 403, "account.suspended")
    right = product.stranger.post(f"{API}/sessions", json={"login": "troll", "password": PASSWORD})
    assert_problem(right, 403, "account.suspended")
    wrong = product.stranger.post(f"{API}/sessions", json={"login": "troll", "password": "not the password"})
    assert_problem(wrong, 401, "auth.failed")
    assert_problem(product.stranger.get(f"{API}/accounts/troll"), 404, "not_found")
    assert product.client.get(f"{API}/accounts/troll").json()["state"] == "suspended"
    assert product.client.patch(f"{API}/accounts/troll", json={"state": "active"}).status_code == 200
    assert person.client.get(f"{API}/account").status_code == 200


def test_moderators_decide_about_members_and_operators_about_everybody(product: Product) -> None:
    moderator, operator, other = (people.signed_up(product, name) for name in ("mod.one", "op.one", "mod.two"))
    for name, role in (("mod.one", "moderator"), ("op.one", "operator"), ("mod.two", "moderator")):
        assert product.client.patch(f"{API}/accounts/{name}", json={"role": role}).json()["role"] == role
    victim = people.signed_up(product, "victim")

    def decides(person: Person, name: str, **decision: str) -> int:
        return person.client.patch(f"{API}/accounts/{name}", json=decision).status_code

    assert decides(moderator, "victim", state="suspended") == 200
    assert decides(moderator, "victim", state="active") == 200
    assert decides(moderator, "victim", role="moderator") == 403
    assert decides(moderator, "mod.two", state="suspended") == 403
    assert decides(moderator, "mod.one", role="operator") == 403
    assert decides(victim, "mod.one", state="suspended") == 403
    assert decides(operator, "mod.two", role="member") == 200
    assert decides(other, "victim", state="suspended") == 403  # a role that was taken is gone with the next request
    assert decides(operator, "op.one", role="member") == 403
    last = product.client.patch(f"{API}/accounts/op.one", json={"role": "member"})
    assert_problem(last, 409, "conflict")
    listed = moderator.client.get(f"{API}/accounts", params={"limit": 2}).json()
    assert listed["items"][0]["handle"] == "victim"
    assert moderator.client.get(f"{API}/accounts", params={"cursor": listed["next"]}).status_code == 200
    assert_problem(victim.client.get(f"{API}/accounts"), 403, "auth.forbidden")
    assert_problem(product.stranger.get(f"{API}/accounts"), 401, "auth.required")
