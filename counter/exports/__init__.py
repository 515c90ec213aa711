"""NUMBERS OUT: everything that is in Postgres as CSV, JSON Lines or Parquet, in bounded memory."""
