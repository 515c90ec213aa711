"""The settings of the acceptance tests."""

from tests.acceptance.conftest import settings

__all__ = ["settings"]
