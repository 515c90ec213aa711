"""The words and spellings of each language, one file each."""

from importlib.resources import files

from counter.widget.locales import Languages, decode_language


def load_languages() -> Languages:
    """Read all languages; one that lacks a word is an error here, not a gap on a page."""
    found = sorted(file.name for file in files(__name__).iterdir() if file.name.endswith(".json"))
    return Languages([decode_language((files(__name__) / name).read_bytes()) for name in found])
