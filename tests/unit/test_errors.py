"""Every error says what happened, and tells a client nothing of our insides."""

import importlib
import pkgutil
import re

import pytest

import counter
from counter.errors import CounterError


def every_error(base: type[CounterError] = CounterError) -> list[type[CounterError]]:
    """Return all kinds of errors, wherever in the counter they are defined."""
    for module in pkgutil.walk_packages(counter.__path__, "counter."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, waiting = [], [base]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return found


ERRORS = every_error()
of_every_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)


@of_every_error
def test_docstring_is_the_default_message(error):
    """An error raised without words says what its docstring says, in one line."""
    assert "__doc__" in vars(error)
    message = str(error())
    assert message == error.__doc__
    assert re.fullmatch(r"[A-Z].*[^ ]\.", message)


@of_every_error
def test_words_given_are_the_message(error):
    """An error raised with words says these."""
    assert str(error("the disk is full")) == "the disk is full"


@of_every_error
def test_client_reads_only_what_it_can_mend(error):
    """A client reads the message of an error of its own, and of one of ours only what kind it is."""
    secret = "postgresql://counter:hunter2@10.0.0.5/counter"
    shown = error(secret).public_detail
    assert shown == (secret if error.status < 500 else error.__doc__)
    assert isinstance(shown, str)
    assert shown


@of_every_error
def test_status_and_kind(error):
    """An error has an HTTP status of a failure and a stable, spellable kind."""
    assert 400 <= error.status < 600
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.kind)


def test_kinds_that_a_client_meets_are_told_apart():
    """Two errors with answers of their own never share a kind."""
    own = [error for error in ERRORS if "kind" in vars(error)]
    assert len({error.kind for error in own}) == len(own)
    assert all("status" in vars(error) for error in own)


def test_errors_are_one_tree():
    """What the counter raises on purpose is caught as one kind of error, and nothing else is."""
    assert len(ERRORS) == len(set(ERRORS)) > 10
    assert all(issubclass(error, CounterError) for error in ERRORS)
    assert CounterError.__bases__ == (Exception,)
