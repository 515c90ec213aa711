-- Changes the settings of a site and returns its row.
-- $1 key, $2 name, $3 hosts, $4 time zone, $5 first weekday, $6 visit timeout, $7 online window,
-- $8 page cap, $9 query parameters, $10 metric, $11 public statistics, $12 Global Privacy Control,
-- $13 tokens asked for, $14 seconds between displays, $15 language, $16 days of hours, $17 months of page-days,
-- $18 months of days
update sites set
    name = $2, hosts = $3, time_zone = $4, first_weekday = $5, visit_timeout_seconds = $6,
    online_window_seconds = $7, page_cap = $8, query_allow = $9, metric = $10, public_stats = $11, respect_gpc = $12,
    signed = $13, repeat_seconds = $14, language = $15, hours_days = $16, page_months = $17, day_months = $18,
    changed_at = now()
where key = $1
returning *
