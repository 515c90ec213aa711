"""The markup that `counter site show` prints."""

import re
from html.parser import HTMLParser

import pytest

from counter.commands.snippets import snippets
from counter.config import Settings
from counter.widget.files import pinned

EMPTY = {"img"}


def printed(**chosen):
    settings = Settings(**chosen)
    return "\n".join(snippet.markup for snippet in snippets("xa-moi", settings, pinned(settings.script_path)))


class Tags(HTMLParser):
    """Collects the tags of a text, and holds that each that is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.found = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags_of(text):
    parser = Tags()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser.found


def test_every_way_into_a_page_is_there():
    """Script, pinned script, pixel, frame, badge, block, element and plain markup, well formed."""
    text = printed(public_url="https://dem.example")
    tags = tags_of(text)
    assert {"script", "noscript", "img", "iframe", "div", "span", "visitor-counter", "a"} == {
        tag for tag, _ in tags
    }
    sources = [attributes["src"] for _, attributes in tags if "src" in attributes]
    assert all(source.startswith("https://dem.example/") for source in sources)
    assert any(source.endswith("/v1/hits.gif?site=xa-moi&path=/this-page") for source in sources)
    assert "https://dem.example/v1/sites/xa-moi/badge.svg" in sources
    assert "https://dem.example/embed/xa-moi" in sources
    pins = [attributes for _, attributes in tags if "integrity" in attributes]
    assert len(pins) == 2
    assert all(re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", pin["integrity"]) for pin in pins)
    assert all("crossorigin" in pin for pin in pins), "without it no browser checks another origin's file"
    assert "script-src https://dem.example; connect-src https://dem.example" in text


@pytest.mark.parametrize(
    ("script_path", "api_path", "option"),
    [
        ("/counter.js", "/v1/", None),
        ("/x/dem.js", "/x/v1/", None),
        ("/x/dem.js", "/v1/", "/v1/"),
        ("/dem.js", "/du-lieu/", "/du-lieu/"),
    ],
)
def test_other_names_are_in_the_tags(script_path, api_path, option):
    """A tag says where the interface is, unless it is where the script looks for it by itself."""
    tags = tags_of(printed(script_path=script_path, api_path=api_path))
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    assert scripts[0]["src"] == f"https://HOST{script_path}"
    assert {script.get("data-api") for script in scripts if "data-site" in script} == {option}
    assert scripts[1]["src"].startswith(f"https://HOST{script_path.removesuffix('.js')}-")
    assert f"https://HOST{api_path}hits.gif" in printed(script_path=script_path, api_path=api_path)
