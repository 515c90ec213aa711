-- Returns the time of Postgres.
select now()
