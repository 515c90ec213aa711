-- Keeps a generation open until the end of this transaction.
-- One row if it is open, else none. A process that is paused meanwhile loses its transaction.
-- $1 lane, $2 generation
select set_config('idle_in_transaction_session_timeout', '30s', true), generation
from generations
where lane = $1 and generation = $2 and closed_at is null
for share
