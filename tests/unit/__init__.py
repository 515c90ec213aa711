"""Fast tests of the pure parts: no store, no network, no clock."""
