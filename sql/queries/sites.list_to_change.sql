-- Returns all sites and keeps others from changing them until the end of the transaction.
select * from sites order by key for update
