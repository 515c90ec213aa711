-- Lets one transaction at a time add to the ledger, so that the ids become visible in their order.
select pg_advisory_xact_lock(x'6C6564676572'::bigint) -- "ledger"
