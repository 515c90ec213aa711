-- Keeps other imports out of a site while this connection lasts, if none is under way.
-- $1 site id
select pg_try_advisory_lock(x'696D7074'::integer, $1::integer) as locked -- "impt"
