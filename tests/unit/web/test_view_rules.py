import pytest

from tintype.web.view_rules import MAX_AGENT_BYTES, REMEMBERED_AGENTS, ViewRules

PEOPLE = [
    b"",
    b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1",
    b"Mozilla/5.0 (Linux; Android 10; CUBOT NOTE 20) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
    b"okhttp/5.1.0",
    b"curl/8.5.0",
    b"Abbott/1.0 bottle",
]
ROBOTS = [
    b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    b"Mozilla/5.0 (compatible; bingbot/2.0)",
    b"Twitterbot/1.0",
    b"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    b"facebookexternalhit/1.1",
    b"WhatsApp/2.23.20.0",
    b"TelegramBot (like TwitterBot)",
    b"Baiduspider/2.0",
    b"CCBot/2.0",
    b"http.rb/5.1 (Mastodon/4.3.0; +https://example.social/)",
]
AHEAD = [
    {b"sec-purpose": b"prefetch"},
    {b"sec-purpose": b"prefetch;prerender"},
    {b"purpose": b"prefetch"},
    {b"x-moz": b"prefetch"},
    {b"x-purpose": b"preview"},
]


@pytest.mark.parametrize("agent", PEOPLE)
def test_a_person_views(agent: bytes) -> None:
    rules = ViewRules()
    assert rules.is_view({b"user-agent": agent})
    assert rules.is_view({b"user-agent": agent})


@pytest.mark.parametrize("agent", ROBOTS)
def test_a_robot_by_its_own_name_does_not(agent: bytes) -> None:
    rules = ViewRules()
    assert not rules.is_view({b"user-agent": agent})
    assert not rules.is_view({b"user-agent": agent})


@pytest.mark.parametrize("headers", AHEAD)
def test_a_browser_that_fetches_ahead_does_not(headers: dict[bytes, bytes]) -> None:
    assert not ViewRules().is_view(headers)


def test_a_header_that_says_nothing_of_that_changes_nothing() -> None:
    assert ViewRules().is_view({b"purpose": b"holiday"})
    assert ViewRules().is_view({})


def test_what_is_remembered_of_names_is_bounded() -> None:
    rules = ViewRules()
    for number in range(3 * REMEMBERED_AGENTS):
        rules.is_view({b"user-agent": b"agent %d" % number})
    rules.is_view({b"user-agent": b"x" * (MAX_AGENT_BYTES + 1)})
    assert len(rules._robots) <= REMEMBERED_AGENTS
    assert all(len(agent) <= MAX_AGENT_BYTES for agent in rules._robots)
