-- Returns the migrations that were applied.
select version from schema_migrations
