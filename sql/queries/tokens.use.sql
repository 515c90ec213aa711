-- Notes the day on which a token was used.
-- $1 id
update api_tokens set last_used_on = (now() at time zone 'utc')::date where id = $1
