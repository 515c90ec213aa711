-- Notes that the history of a file is in the aggregates.
-- $1 site id, $2 digest, $3 options, $4 file name, $5 lines, $6 malformed lines
insert into imports (site_id, digest, options, file_name, lines, malformed)
values ($1, $2, $3, $4, $5, $6)
on conflict (site_id, digest) do nothing
