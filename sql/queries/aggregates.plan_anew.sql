-- Lets Postgres plan each statement of this connection for the tables as they are when it comes.
-- A plan that was made while they were empty, and kept, reads all of them for each row.
select set_config('plan_cache_mode', 'force_custom_plan', false)
