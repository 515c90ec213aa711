-- Returns all tokens, the oldest first.
select api_tokens.id, api_tokens.name, scope, sites.key as site, api_tokens.created_at, last_used_on, revoked_at
from api_tokens left join sites on sites.id = site_id
order by api_tokens.id
