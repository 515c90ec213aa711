-- Keeps a token and returns its id.
-- $1 name, $2 scope, $3 site id or null, $4 digest
insert into api_tokens (name, scope, site_id, digest) values ($1, $2, $3, $4)
returning id
