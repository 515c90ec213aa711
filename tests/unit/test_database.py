"""What the driver raises when Postgres fails is one error of ours, whatever it calls it."""

import asyncpg
import pytest

from counter.database import translated
from counter.errors import AggregatesUnavailableError, UnknownSiteError


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.PostgresConnectionError("gone"),
        asyncpg.InterfaceError("connection is closed"),
        # seen when the server was killed between the two halves of a call
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.exceptions.ProtocolError("unexpected message"),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failures_of_postgres_are_one_error(error):
    """Each way in which the driver says that Postgres failed lets the caller try again."""
    with pytest.raises(AggregatesUnavailableError) as found, translated():
        raise error
    assert found.value.__cause__ is error


def test_errors_of_ours_stay():
    """What is not the driver's passes through."""
    with pytest.raises(UnknownSiteError), translated():
        raise UnknownSiteError
