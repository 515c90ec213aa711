-- Closes all generations of a lane but the current one, after the rows that are being written.
-- $1 lane, $2 current generation
update generations set closed_at = now() where lane = $1 and generation <> $2 and closed_at is null
