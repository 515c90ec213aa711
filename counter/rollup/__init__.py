"""HOT → DURABLE: the rollup writes the buckets' absolute values into Postgres, and the base back to Redis."""
