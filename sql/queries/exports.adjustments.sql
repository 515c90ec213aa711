-- Returns the ledger of some sites, for an export.
-- $1 site ids (all if null), $2 first day, $3 last day (no limit if null)
select
    sites.key as site, adjustments.id, adjustments.created_at, adjustments.metric, adjustments.amount,
    adjustments.reason, adjustments.author
from sites join adjustments on adjustments.site_id = sites.id
where ($1::integer[] is null or sites.id = any($1))
    and ((adjustments.created_at at time zone 'UTC')::date >= $2 or $2::date is null) and ((adjustments.created_at at time zone 'UTC')::date <= $3 or $3::date is null)
order by sites.key, adjustments.id
