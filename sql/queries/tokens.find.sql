-- Returns the token that has a digest, unless it was revoked.
-- $1 digest
select
    api_tokens.id, api_tokens.name, scope, sites.key as site, digest,
    last_used_on is distinct from (now() at time zone 'utc')::date as first_use_today
from api_tokens left join sites on sites.id = site_id
where digest = $1 and revoked_at is null
