-- Notes that Redis has nothing of some removed sites any more.
-- $1 keys
delete from removed_sites where key = any($1::text[])
