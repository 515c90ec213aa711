"""Fixtures of the acceptance tests, for the monitoring of a real service."""

from tests.acceptance.conftest import settings

__all__ = ["settings"]
