-- migrate:up
-- The foreign keys of pages and of their rows looked up and locked, which writes it anew, a site for each new page and a
-- page for its first row of each day: two thirds of what these cost. The statement that adds pages locks their sites
-- itself, once; rows are written only for pages that were looked up in the same statement, and in one transaction with
-- the row of their site's day, whose key to the site stays. So neither can come after its site is gone.
create function remove_pages() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    delete from pages using removed where pages.site_id = removed.id;
    return null;
end $$;
create function remove_page_days() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    delete from page_aggregates using removed where page_aggregates.page_id = removed.id;
    return null;
end $$;
revoke execute on function remove_pages, remove_page_days from public;
create trigger sites_and_pages_removed after delete on sites referencing old table as removed
    for each statement execute function remove_pages();
create trigger pages_removed after delete on pages referencing old table as removed
    for each statement execute function remove_page_days();

alter table pages drop constraint pages_site_id_fkey;
alter table page_aggregates drop constraint page_aggregates_page_id_fkey;
comment on column pages.site_id is 'Of sites; its pages go with a site.';
comment on column page_aggregates.page_id is 'Of pages; these rows go with their page.';

-- migrate:down
comment on column page_aggregates.page_id is null;
comment on column pages.site_id is null;
delete from pages where not exists (select from sites where sites.id = site_id);
delete from page_aggregates where not exists (select from pages where pages.id = page_id);
alter table pages add constraint pages_site_id_fkey foreign key (site_id) references sites on delete cascade;
alter table page_aggregates
    add constraint page_aggregates_page_id_fkey foreign key (page_id) references pages on delete cascade;
drop trigger sites_and_pages_removed on sites;
drop trigger pages_removed on pages;
drop function remove_pages, remove_page_days;
