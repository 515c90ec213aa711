"""HOT COUNTS: the sliding buckets in Redis, and the way hits get into them."""
