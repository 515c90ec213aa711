"""Whatever is put into an element, it is text."""

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from hypothesis import given

from counter.widget.markup import document, element, join
from tests.unit.making import any_text


class Reader(HTMLParser):
    """Reads the texts, tags and attributes of a page as a browser would."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.attributes = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [value for _name, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)


@given(any_text(60), any_text(60))
def test_texts_stay_texts(text, value):
    """No text and no attribute opens a tag or ends one, in HTML and in SVG."""
    made = element("p", text, element("b", "bold"), title=value)
    assert Reader(made).tags == ["p", "b"]
    root = ET.fromstring(made.encode())  # well-formed whatever the characters
    assert [child.tag for child in root.iter()] == ["p", "b"]


def test_known_attacks():
    """Markup in a path or a label is shown."""
    attack = "<img src=x onerror=alert(1)>"
    assert element("td", attack) == "<td>&lt;img src=x onerror=alert(1)&gt;</td>"
    assert element("text", "</text><script>") == "<text>&lt;/text&gt;&lt;script&gt;</text>"
    assert element("a", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;"></a>'
    assert element("a", "\x00\ud800") == "<a>\ufffd\ufffd</a>"


def test_spelling():
    """Elements nest, empty ones stay open, and what is not there leaves nothing behind."""
    made = join(
        element("meta", charset="utf-8"),
        None,
        element("p", 5, class_="a", hidden=True, data_x=None, dir=False),
    )
    assert made == '<meta charset="utf-8"><p class="a" hidden>5</p>'
    assert document(element("html")) == b"<!doctype html>\n<html></html>\n"
