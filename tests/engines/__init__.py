"""Sets of real servers that a test can kill, pause and fail over: a cluster, and a master under sentinels."""
