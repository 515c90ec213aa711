-- Reads all that the rollup writes down of one bucket, as of one moment.
--
-- KEYS    1 day, 2 visitors, 3 pages, 4 changed
-- returns {fields and values of the day, visitors (estimate), HyperLogLog or '', changed pages and their views}

local counts = redis.call('HGETALL', KEYS[1])
local changed = redis.call('SMEMBERS', KEYS[4])
local pages = {}
for first = 1, #changed, 1000 do
  local last = math.min(first + 999, #changed)
  local views = redis.call('HMGET', KEYS[3], unpack(changed, first, last))
  for i = first, last do
    pages[#pages + 1] = changed[i]
    pages[#pages + 1] = views[i - first + 1]
  end
end
return {counts, redis.call('PFCOUNT', KEYS[2]), redis.call('GET', KEYS[2]) or '', pages}
