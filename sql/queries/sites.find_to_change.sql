-- Returns one site and keeps others from changing it until the end of the transaction.
-- $1 key
select * from sites where key = $1 for update
