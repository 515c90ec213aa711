-- Returns changes, newest first.
-- $1 only those before this id, if given; $2 only those of this site, if given; $3 how many at most
select id, at, actor, action, site, before, after
from audit_log
where ($1::bigint is null or id < $1) and ($2::text is null or site = $2)
order by id desc
limit $3
