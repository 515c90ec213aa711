"""Every error the counter raises on purpose, as one tree; the HTTP answer is chosen in one place, here."""

from typing import ClassVar, Final

FIRST_SERVER_ERROR: Final = 500


class CounterError(Exception):
    """The counter could not do what was asked."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self._summary())

    @classmethod
    def _summary(cls) -> str:
        return (cls.__doc__ or "").strip()

    @property
    def public_detail(self) -> str:
        """What a client may read: the message if the client can mend it, else nothing of our insides."""
        return str(self) if self.status < FIRST_SERVER_ERROR else self._summary()


class ConfigError(CounterError):
    """The configuration cannot work; the message says what to change."""


class InvalidInputError(CounterError):
    """The request is not what this address takes."""

    status = 400
    kind = "invalid-input"


class TooLargeError(InvalidInputError):
    """The request is larger than this address takes."""

    status = 413
    kind = "too-large"


class UnknownSiteError(CounterError):
    """No such site is registered here."""

    status = 404
    kind = "unknown-site"


class BusyError(CounterError):
    """The hit cannot be kept safely at the moment; send it again later."""

    status = 503
    kind = "busy"


class SpoolFullError(BusyError):
    """Redis is away, and the spool cannot keep the hit either; send it again later."""


class SpoolDamagedError(CounterError):
    """A file of the spool cannot be read."""


class BucketsUnavailableError(CounterError):
    """Redis did not answer, or refused."""

    status = 503
    kind = "buckets-unavailable"


class GenerationEndedError(BucketsUnavailableError):
    """Another life of the data in Redis has begun; nothing was done."""


class OtherLanesError(BucketsUnavailableError):
    """Redis is in another number of lanes now; stop this process, and set COUNTER_LANES as in the others."""


class BucketsCorruptError(CounterError):
    """Redis holds something that this program did not write."""


class AggregatesUnavailableError(CounterError):
    """Postgres did not answer, or refused."""

    status = 503
    kind = "aggregates-unavailable"


class NumbersUnavailableError(CounterError):
    """No number can be shown truthfully at the moment."""

    status = 503
    kind = "numbers-unavailable"


class SiteError(CounterError):
    """The site cannot be added or changed like this."""

    status = 400
    kind = "invalid-site"


class SiteExistsError(SiteError):
    """Another site has this key."""

    status = 409
    kind = "site-exists"


class ChangedMeanwhileError(CounterError):
    """Somebody else changed it meanwhile; look at it again."""

    status = 412
    kind = "changed-meanwhile"


class TokenRefusedError(CounterError):
    """A valid bearer token is needed."""

    status = 401
    kind = "token-refused"


class ScopeError(CounterError):
    """The token's scope does not reach so far."""

    status = 403
    kind = "out-of-scope"


class TooManyAttemptsError(CounterError):
    """Too many tokens were refused; try again in a minute."""

    status = 429
    kind = "too-many-attempts"


class ImportFileError(CounterError):
    """The file cannot be imported."""


class ExportError(CounterError):
    """The export cannot be made like this."""


class BackupError(CounterError):
    """The backup cannot be made, or not be restored; the message says why."""


class EmbeddedEngineError(CounterError):
    """The embedded Valkey or Postgres did not start; the message says what to do."""
