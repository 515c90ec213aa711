-- Returns the files that were imported into some sites, for an export.
-- $1 site ids (all if null), $2 first day, $3 last day (no limit if null)
select
    sites.key as site, imports.id, imports.finished_at, imports.file_name, imports.digest, imports.options,
    imports.lines, imports.malformed
from sites join imports on imports.site_id = sites.id
where ($1::integer[] is null or sites.id = any($1))
    and ((imports.finished_at at time zone 'UTC')::date >= $2 or $2::date is null) and ((imports.finished_at at time zone 'UTC')::date <= $3 or $3::date is null)
order by sites.key, imports.id
