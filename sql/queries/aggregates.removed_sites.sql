-- Returns the sites that Postgres has no longer, and Redis may still have.
select key from removed_sites
