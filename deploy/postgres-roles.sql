-- Makes the two roles of the counter, each with the least rights. It may be run again.
--
--   counter_owner    owns the tables; `counter migrate --grant-to counter_service` runs as it, and nothing else does
--   counter_service  reads and writes rows as the service needs to; it can make, change or empty no table
--
-- Run it as a superuser (or a role that may create roles) in the database that is the counter's alone; give both
-- roles their passwords afterwards. Then migrate as the owner, and let COUNTER_DATABASE_URL name the other.

do $$
begin
    if not exists (select from pg_roles where rolname = 'counter_owner') then
        create role counter_owner login;
    end if;
    if not exists (select from pg_roles where rolname = 'counter_service') then
        create role counter_service login;
    end if;
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to counter_owner, counter_service', current_database());
end $$;

revoke all on schema public from public;
grant usage, create on schema public to counter_owner;
grant usage on schema public to counter_service;
