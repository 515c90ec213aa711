"""The least rights: who the service is to Redis and Postgres, as deploy/ ships it; the tests' own users may do all."""

from typing import Final

from pydantic import SecretStr

from counter.config import Settings

PASSWORD: Final = "hunter2-of-redis"
OWNER: Final = "counter_owner"
SERVICE: Final = "counter_service"
READER: Final = "counter_reader"


def with_least_rights(settings: Settings) -> Settings:
    """Return the settings of a service that has no more rights than in production.

    Clusters and Sentinels of the tests know no users, so their addresses stay as they are.
    """
    redis_url = settings.redis_url.get_secret_value()
    for scheme in ("unix://", "redis://"):
        redis_url = redis_url.replace(scheme, f"{scheme}counter:{PASSWORD}@")
    database_url = database_url_of(SERVICE, settings.database_url.get_secret_value())
    return settings.model_copy(
        update={"redis_url": SecretStr(redis_url), "database_url": SecretStr(database_url)}
    )


def database_url_of(role: str, url: str) -> str:
    """Return the address of a database for another role."""
    return url.replace("://counter@", f"://{role}@")
