"""One spelling for each page, whatever a browser or an attacker reports."""

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counter.errors import InvalidInputError
from counter.sites.paths import MAX_PATH_BYTES, MAX_RAW_CHARACTERS, OTHER, normalise
from tests.unit.making import any_text

PIECES = [
    "/", "//", ".", "..", "index.html", "index.htm", "a", "C", "é", "e\u0301", "ộ", "😀", "\u0327", "\u0338",
    "%", "%2", "%25", "%2F", "%2e", "%5C", "%41", "%34%31", "%C3", "%A9", "%C3%A9", "%EC%CC%A7", "%00", "%0A",
    "%C2%85", "%ED%A0%80", "%F0%9F", "\\", "+", " ", ";", "\u037e", ":", "[", "<img onerror=x>", "\u202e",
    "?", "&", "=", "#", "id=", "trang=", "__proto__", "&id=%26id%3D", "http://", "https://x.vn", "\0", "\x85",
]  # fmt: skip
ALLOW_LISTS = [(), ("id",), ("trang", "id"), ("__proto__", "constructor"), ("é",), ("a?b",), ("%41",)]
pieced = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
anything = any_text(30)
reported = st.one_of(pieced, pieced.map("/{}".format), anything, anything.map("/{}".format))
allow_lists = st.sampled_from(ALLOW_LISTS)


def accepted(raw: str, query_allow: tuple[str, ...] = ()) -> str | None:
    """Return the path, or None if it is refused; no other error passes."""
    try:
        return normalise(raw, query_allow)
    except InvalidInputError:
        return None


@settings(max_examples=1000)
@given(raw=reported, query_allow=allow_lists)
@example(raw="/%%34%31", query_allow=())
@example(raw="/%EC%CC%A7", query_allow=())
@example(raw="/%5C\u0327", query_allow=())
@example(raw="/a?id=%%32%36id=9", query_allow=("id",))
def test_path_is_a_fixed_point(raw, query_allow):
    """A path that was normalised is the same when it is normalised again, so a page has one spelling."""
    path = accepted(raw, query_allow)
    if path is not None:
        assert normalise(path, query_allow) == path


@settings(max_examples=1000)
@given(raw=reported, query_allow=allow_lists)
def test_path_is_always_fit_to_store_and_show(raw, query_allow):
    """Whatever is reported is refused, or becomes a short folded path without control characters."""
    path = accepted(raw, query_allow)
    if path is not None:
        assert path.startswith("/")
        assert path != OTHER
        assert len(path.encode()) <= MAX_PATH_BYTES
        assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in path)
        assert not {"", ".", ".."} & set(path.partition("?")[0].split("/")[1:]) or path.startswith(
            ("/?", "/")
        )


@given(raw=reported)
def test_nothing_of_the_query_stays_without_an_allow_list(raw):
    """Without an allow-list neither query nor fragment is part of a page's path."""
    path = accepted(raw)
    assert path is None or not set(path) & set("?#")


@given(
    segment=st.text(max_size=40).filter(
        lambda text: not set(unicodedata.normalize("NFD", text)) & set("/?#%\\&=+")
    )
)
def test_escaping_makes_no_other_page(segment):
    """A page has one path, escaped or not, its accents composed or not, alone or in a whole URL."""
    expected = accepted(f"/{segment}")
    if expected is not None:
        assert normalise(f"/{quote(segment)}") == expected
        assert normalise(f"/{unicodedata.normalize('NFD', segment)}") == expected
        assert normalise(f"https://portal.example:8443/{quote(segment)}/?fbclid=1#top") == expected


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/", "/"),
        ("/tin-tuc/%C4%91%E1%BA%A1i-h%e1%bb%99i", "/tin-tuc/đại-hội"),
        ("/đa\u0323i-hô\u0323i", "/đại-hội"),
        ("/a%20b", "/a b"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%3Fb%23c", "/a%3Fb%23c"),
        ("/a%252Fb", "/a%252Fb"),
        ("/100%", "/100%25"),
        ("/100%25", "/100%25"),
        ("/%00%0a%7F", "/%00%0A%7F"),
        ("/%C2%85", "/%C2%85"),
        ("/%FF%C3", "/%FF%C3"),
        ("/%ED%A0%80", "/%ED%A0%80"),
        ("//a///b", "/a/b"),
        ("//evil.example/a", "/evil.example/a"),
        ("/a/", "/a"),
        ("/index.html", "/"),
        ("/tin/index.htm", "/tin"),
        ("/index.html/index.html", "/"),
        ("/index.html.bak", "/index.html.bak"),
        ("/a/./b/../c", "/a/c"),
        ("/../../a", "/a"),
        ("/b/%2e%2E/a", "/a"),
        ("/a#b?c", "/a"),
        ("/a?b#c", "/a"),
        ("https://portal.example", "/"),
        ("https://portal.example/a/?utm_source=zalo#b", "/a"),
        ("HTTP://user:pass@portal.example:8080/a", "/a"),
        ("/<img onerror=alert(1)>", "/<img onerror=alert(1)>"),
        ("/(other)", "/(other)"),
        ("/" + "a" * (MAX_PATH_BYTES - 1), "/" + "a" * (MAX_PATH_BYTES - 1)),
        ("/a?" + "b" * (MAX_RAW_CHARACTERS - 3), "/a"),
    ],
)
def test_spelling(raw, path):
    """Escapes, accents, slashes, dots, index files, queries and whole URLs fold into one spelling."""
    assert normalise(raw) == path


@pytest.mark.parametrize(
    ("raw", "query_allow", "path"),
    [
        ("/a?utm=1&id=2", ("id",), "/a?id=2"),
        ("/a?id=2&trang=3", ("trang", "id"), "/a?trang=3&id=2"),
        ("/a?id=1&id=2", ("id",), "/a?id=1"),
        ("/a?id=&trang", ("id", "trang"), "/a"),
        ("/a/index.html?id=5", ("id",), "/a?id=5"),
        ("https://portal.example?id=5", ("id",), "/?id=5"),
        ("/a?id=x%26id%3D9%23%3f", ("id",), "/a?id=x%26id%3D9%23%3F"),
        ("/a?id=%C4%91%E1%BA%A1i", ("id",), "/a?id=đại"),
        ("/a?id=%00", ("id",), "/a?id=%00"),
        ("/a?ID=1", ("id",), "/a"),
        ("/a?id=1=2", ("id",), "/a?id=1=2"),
        ("/a?id=1?id=2", ("id",), "/a?id=1?id=2"),
        ("/a?__proto__[x]=1", ("id",), "/a"),
        ("/a?__proto__[x]=1&__proto__=2", ("__proto__",), "/a?__proto__=2"),
        ("/a?&&=&=x&id=1&", ("id",), "/a?id=1"),
    ],
)
def test_allowed_query(raw, query_allow, path):
    """Of the query only what the site allows stays: the first values, in the site's order, escaped."""
    assert normalise(raw, query_allow) == path


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "a",
        "?id=1",
        OTHER,
        "javascript:alert(1)",
        "ftp://portal.example/a",
        "http://[",
        "/" + "a" * MAX_RAW_CHARACTERS,
        "/" + "a" * MAX_PATH_BYTES,
        "/" + "ộ" * 400,
        "/\0",
        "/a\nb",
        "/a?id=\x1f",
        "/\x7f",
        "/\x85",
        "/\ud800",
        "/a\udc85",
        "/\ud83d\ude00",
    ],
)
def test_refused(raw):
    """What is no path, too long, or has control characters or lone surrogates is refused as invalid input."""
    with pytest.raises(InvalidInputError):
        normalise(raw, ("id",))
