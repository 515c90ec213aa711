-- migrate:up

alter table sites
    add column respect_gpc boolean not null default false,
    add column signed boolean not null default false,
    add column repeat_seconds integer not null default 0 check (repeat_seconds between 0 and 3600),
    add column secret text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
comment on column sites.respect_gpc is 'Whether a browser that sends Global Privacy Control is left out.';
comment on column sites.signed is 'Whether a hit must carry a token (see counter/hits/signing.py).';
comment on column sites.repeat_seconds is
    'The same page shown again to the same visitor counts only after so many seconds; 0 counts each display.';
comment on column sites.secret is 'Signs the tokens of this site; known to the service and the webmaster alone.';

-- migrate:down
alter table sites drop column respect_gpc, drop column signed, drop column repeat_seconds, drop column secret;
