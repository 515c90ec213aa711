-- Returns what this server says of itself, its clock, and how many connections it has.
select
    current_setting('server_version_num')::integer as version,
    current_setting('is_superuser') = 'on' as superuser,
    current_setting('fsync') = 'on' as fsync,
    current_setting('server_encoding') as encoding,
    (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
    current_setting('max_connections')::integer as most_connections,
    extract(epoch from clock_timestamp())::float8 as now
