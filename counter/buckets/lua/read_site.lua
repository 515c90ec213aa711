-- Reads what the widget shows of one site.
--
-- KEYS    1 generation, 2 base, 3 seen, 4 index
-- ARGV    1 prefix of the keys of buckets, 2 prefix of the keys of earlier visitors,
--         3 start of the online window, ms since the epoch: who is seen in a later ms is online
-- returns {generation, base's generation, base's body, online,
--          {{name, views, visits, bots} for each open bucket}, {{day, visitors} for each of their days}}
--         with '' where the base is missing
--
-- The keys of a bucket are found through the index, so they are not declared; they share the lane's hash tag.

local base = redis.call('HMGET', KEYS[2], 'generation', 'body')
local buckets, sketches, days = {}, {}, {}
for _, name in ipairs(redis.call('SMEMBERS', KEYS[4])) do
  local counts = redis.call('HMGET', ARGV[1] .. name .. ':day', 'views', 'visits', 'bots')
  buckets[#buckets + 1] = {name, counts[1] or '0', counts[2] or '0', counts[3] or '0'}
  local day = string.match(name, '^%S+ (%S+) ')
  if not sketches[day] then sketches[day] = {ARGV[2] .. day} end
  table.insert(sketches[day], ARGV[1] .. name .. ':visitors')
end
for day, keys in pairs(sketches) do
  days[#days + 1] = {day, redis.call('PFCOUNT', unpack(keys))}
end
return {
  current_generation(KEYS[1]),
  base[1] or '',
  base[2] or '',
  redis.call('ZCOUNT', KEYS[3], ARGV[3] + 1, '+inf'),
  buckets,
  days,
}
