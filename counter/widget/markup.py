"""HTML and SVG as elements: what is put into one is escaped, unless it is an element itself. Pure."""

import re
from html import escape
from typing import Final

VOID: Final = frozenset({"link", "meta", "br"})
_NOT_IN_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """Text that is markup already; only this module makes it."""

    __slots__ = ()


Child = Markup | str | int | None
Value = str | int | bool | None


def element(tag: str, /, *children: Child, **attributes: Value) -> Markup:
    """Return an element.

    Args:
        tag: its name.
        children: elements, and texts, which are escaped; None is nothing.
        attributes: an underscore at the end is dropped (`class_`), those within are dashes; None and False
            leave one out, True gives it no value.
    """
    spelt = "".join(_attribute(name, value) for name, value in attributes.items())
    opening = f"<{tag}{spelt}>"
    return Markup(opening if tag in VOID else f"{opening}{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """Return some children one after the other."""
    return Markup("".join(_child(child) for child in children))


def document(root: Markup) -> bytes:
    """Return an HTML document."""
    return f"<!doctype html>\n{root}\n".encode()


def _child(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else _escaped(str(child))


def _attribute(name: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    spelt = name.rstrip("_").replace("_", "-")
    return f" {spelt}" if value is True else f' {spelt}="{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    """Escape what would be markup; what neither HTML nor XML may hold becomes a visible mark."""
    return escape(_NOT_IN_XML.sub("\ufffd", text), quote=True)
