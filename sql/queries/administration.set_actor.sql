-- Names who makes the changes of this transaction.
-- $1 actor
select set_config('counter.actor', $1, true)
