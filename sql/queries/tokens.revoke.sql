-- Revokes the token of a name.
-- $1 name
update api_tokens set revoked_at = now() where name = $1 and revoked_at is null
returning id
