-- Makes the roles of the counter, each with the least rights. It may be run again, and has to be after an upgrade
-- that adds a role.
--
--   counter_owner    owns the tables; `counter migrate --grant-to counter_service` runs as it, and nothing else does
--   counter_service  reads and writes rows as the service needs to; it can make, change or empty no table
--   counter_reader   reads the views of the schema `reading` and nothing else: for Grafana and reports
--
-- Run it as a superuser (or a role that may create roles) in the database that is the counter's alone; give the
-- roles their passwords afterwards. Then migrate as the owner, and let COUNTER_DATABASE_URL name the other.

set client_min_messages = warning; -- that a schema is there already is no news

do $$
begin
    if not exists (select from pg_roles where rolname = 'counter_owner') then
        create role counter_owner login;
    end if;
    if not exists (select from pg_roles where rolname = 'counter_service') then
        create role counter_service login;
    end if;
    if not exists (select from pg_roles where rolname = 'counter_reader') then
        create role counter_reader login connection limit 20;
    end if;
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to counter_owner, counter_service, counter_reader', current_database());
end $$;

revoke all on schema public from public;
grant usage, create on schema public to counter_owner;
grant usage on schema public to counter_service;

-- The migrations fill it. Its views read the tables by the right of their owner, so whoever reads them needs none.
create schema if not exists reading authorization counter_owner;
grant usage on schema reading to counter_reader;
grant select on all tables in schema reading to counter_reader;
alter default privileges for role counter_owner in schema reading grant select on tables to counter_reader;
alter role counter_reader set default_transaction_read_only = on;
alter role counter_reader set statement_timeout = '30s'; -- a dashboard must not keep the rollup waiting
