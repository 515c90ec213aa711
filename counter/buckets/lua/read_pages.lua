-- Reads the views of some pages of one site in its open buckets.
--
-- KEYS    1 generation, 2 base, 3 index
-- ARGV    1 prefix of the keys of buckets, then the pages
-- returns {current generation or '', base's generation or '', base's revision or '', {{name, part} of each bucket},
--          {views of each page}}

local base = redis.call('HMGET', KEYS[2], 'generation', 'revision')
local pages = {unpack(ARGV, 2)}
local buckets, views = {}, {}
for i = 1, #pages do views[i] = 0 end
for b, name in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  buckets[b] = {name, redis.call('HGET', ARGV[1] .. name .. ':day', 'part') or '0'}
  for i, open in ipairs(redis.call('HMGET', ARGV[1] .. name .. ':pages', unpack(pages))) do
    views[i] = views[i] + tonumber(open or '0')
  end
end
return {current_generation(KEYS[1]), base[1] or '', base[2] or '', buckets, views}
