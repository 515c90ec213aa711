-- Reads all that the rollup writes down of one bucket, as of one moment.
--
-- KEYS    1 generation, 2 day, 3 visitors, 4 pages, 5 changed
-- ARGV    1 generation in which the caller believes to be
-- returns {} if that is over, else
--         {fields and values of the day, visitors (estimate), HyperLogLog or '', changed pages and their views}

if current_generation(KEYS[1]) ~= ARGV[1] then return {} end
local counts = redis.call('HGETALL', KEYS[2])
local changed = redis.call('SMEMBERS', KEYS[5])
local pages = {}
for first = 1, #changed, 1000 do
  local last = math.min(first + 999, #changed)
  local views = redis.call('HMGET', KEYS[4], unpack(changed, first, last))
  for i = first, last do
    pages[#pages + 1] = changed[i]
    pages[#pages + 1] = views[i - first + 1]
  end
end
return {counts, redis.call('PFCOUNT', KEYS[3]), redis.call('GET', KEYS[3]) or '', pages}
