-- Returns the statements that give the service's role the rights that it needs, and take all others.
-- Whoever adds a table says here what the service may do with it.
-- $1 role
select format(statement, $1::text)
from unnest(array[
    'revoke all on all tables in schema public from %I',
    'grant usage on schema public to %I',
    'grant select on all tables in schema public to %I',
    'grant select on all sequences in schema public to %I', -- so that it may be dumped
    'grant insert, update, delete on sites to %I',
    'grant insert, update on aggregates, page_aggregates, generations, lanes to %I',
    'grant insert on pages, adjustments, imports, api_tokens to %I',
    'grant update (last_used_on, revoked_at) on api_tokens to %I',
    'grant delete on removed_sites to %I',
    'revoke execute on all functions in schema public from public',
    'grant execute on function fold_old_pages, fold_old_days to %I'
]) with ordinality as listed (statement, position)
order by position
