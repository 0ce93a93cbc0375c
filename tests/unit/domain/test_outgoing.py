import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.outgoing import BadUrl, parse_outgoing, redirected

WEB = frozenset({80, 443})

TAKEN = {
    "https://example.com": "https://example.com/",
    "HTTP://Example.COM:80/A?b=C#d": "http://example.com/A?b=C",
    "https://example.com.:443/%41/ü?q=ü": "https://example.com/%41/%C3%BC?q=%C3%BC",
    "https://xn--bcher-kva.example/a|b": "https://xn--bcher-kva.example/a%7Cb",
    "http://93.184.215.14/": "http://93.184.215.14/",
    "http://[2606:4700::1111]/a": "http://[2606:4700::1111]/a",
    "http://[::FFFF:127.0.0.1]/": "http://[::ffff:7f00:1]/",
    "http://my_host/": "http://my_host/",
}

REFUSED = {
    "other schemes": ("ftp://a.example/", "file:///etc/passwd", "gopher://a/", "//a.example/", "a.example", "data:,x"),
    "credentials": ("http://me@a.example/", "http://me:secret@a.example/", "http://@a.example/"),
    "ports": ("http://a.example:22/", "http://a.example:0/", "http://a.example:8080/", "http://a.example:99999/"),
    "decimal, octal and hexadecimal": (
        *("http://2130706433/", "http://0177.0.0.1/", "http://0x7f000001/", "http://0x7f.1/", "http://127.1/"),
        *("http://127.0.0.1.1/", "http://017700000001/", "http://1.2.3.0x4/", "http://127.0.0.08/", "http://0x/"),
    ),
    "zones": ("http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/"),
    "other scripts and full-width digits": ("http://１２７.0.0.1/", "http://a。example/", "http://bücher.example/"),
    "what is read in two ways": (
        *("http://a.example\\@b.example/", "http://a b/", "http://a.example/\n", "http://a.example/ x", "\thttp://a/"),
        *("http://a%2eexample/", "http://a..example/", "http://.a/", "http://-a.example/", "http:///a", "http://"),
        *("http://[::1/", "http://::1/", "http://[127.0.0.1]/", "http://a.example:b/", "http://[v1.a]/"),
    ),
    "the endless": (f"http://a.example/{'a' * 2048}", f"http://{'a' * 64}.example/", f"http://{'a.' * 127}example/"),
}


@pytest.mark.parametrize("text", TAKEN)
def test_a_url_is_sent_as_it_was_meant(text: str) -> None:
    assert str(parse_outgoing(text, WEB)) == TAKEN[text]


@pytest.mark.parametrize("sort", REFUSED)
def test_what_is_no_url_of_a_public_web_server_is_refused(sort: str) -> None:
    for text in REFUSED[sort]:
        with pytest.raises(BadUrl):
            parse_outgoing(text, WEB)


def test_a_port_that_is_allowed_is_part_of_the_authority() -> None:
    assert parse_outgoing("https://a.example:8443/x", {8443}).authority == "a.example:8443"


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_refused_or_read_the_same_way_twice(host: str, path: str) -> None:
    try:
        url = parse_outgoing(f"http://{host}/{path}", WEB)
    except BadUrl:
        return
    assert parse_outgoing(str(url), WEB) == url


def test_a_redirect_is_judged_as_a_url_that_somebody_gave() -> None:
    start = parse_outgoing("https://a.example/b/c?d", WEB)
    assert str(redirected(start, "../e", WEB)) == "https://a.example/e"
    assert str(redirected(start, "//b.example", WEB)) == "https://b.example/"
    for location in ("file:///etc/passwd", "http://a.example:25/", "http://x@a.example/", "http://[::1"):
        with pytest.raises(BadUrl):
            redirected(start, location, WEB)
