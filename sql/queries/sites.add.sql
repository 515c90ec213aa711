-- Registers a site and returns its row.
-- $1 key, $2 name, $3 hosts, $4 time zone, $5 first weekday, $6 visit timeout, $7 online window,
-- $8 page cap, $9 query parameters, $10 metric, $11 public statistics, $12 Global Privacy Control,
-- $13 tokens asked for, $14 seconds between displays, $15 language, $16 days of hours, $17 months of page-days,
-- $18 months of days
insert into sites (
    key, name, hosts, time_zone, first_weekday, visit_timeout_seconds, online_window_seconds, page_cap,
    query_allow, metric, public_stats, respect_gpc, signed, repeat_seconds, language,
    hours_days, page_months, day_months
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
returning *
