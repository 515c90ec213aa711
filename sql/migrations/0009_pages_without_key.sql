-- migrate:up
-- For each page's first row of a day, the foreign key looked up the page and locked it, which wrote it anew: two thirds
-- of what the row cost. Rows are written only for pages that were looked up in the same statement, and in one
-- transaction with the row of their site's day, whose key to the site stays; so none can come after its site is gone.
create function remove_page_days() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    delete from page_aggregates using removed where page_aggregates.page_id = removed.id;
    return null;
end $$;
revoke execute on function remove_page_days from public;
create trigger pages_removed after delete on pages referencing old table as removed
    for each statement execute function remove_page_days();

alter table page_aggregates drop constraint page_aggregates_page_id_fkey;
comment on column page_aggregates.page_id is 'Of pages; these rows go with their page.';

-- migrate:down
comment on column page_aggregates.page_id is null;
delete from page_aggregates where not exists (select from pages where pages.id = page_id);
alter table page_aggregates
    add constraint page_aggregates_page_id_fkey foreign key (page_id) references pages on delete cascade;
drop trigger pages_removed on pages;
drop function remove_page_days;
