-- Returns into how many lanes sites are put, and whether a change of that number is complete; no row if nobody knows.
select used, known, moved from lanes
