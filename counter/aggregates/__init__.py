"""DURABLE COUNTS: the daily rows in Postgres, and the ledger of adjustments."""
