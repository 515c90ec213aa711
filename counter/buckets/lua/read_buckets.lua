-- Reads all that the rollup writes down of some buckets, each as of one moment.
--
-- KEYS    1 generation
-- ARGV    1 generation in which the caller believes to be, 2 prefix of the keys of buckets,
--         3 how many changed pages are enough: the rest of the buckets is left for the next call,
--         4 names of the buckets (msgpack)
-- returns {} if that generation is over, else {the buckets (msgpack), HyperLogLog or '' of each of them},
--         a bucket being {visitors (estimate), fields and values of the day, changed pages and their views},
--         and {} where it is gone
--
-- The keys of a bucket are made from its name, as in record.lua; they share the lane's hash tag.

if current_generation(KEYS[1]) ~= ARGV[1] then return {} end

-- Returns the pages that changed and their views.
local function changed_pages(bucket)
  local changed, pages = redis.call('SMEMBERS', bucket .. ':changed'), {}
  for first = 1, #changed, 1000 do
    local last = math.min(first + 999, #changed)
    local views = redis.call('HMGET', bucket .. ':pages', unpack(changed, first, last))
    for i = first, last do
      pages[#pages + 1] = changed[i]
      pages[#pages + 1] = views[i - first + 1]
    end
  end
  return pages
end

local enough, read = tonumber(ARGV[3]), 0
local buckets, reply = {}, {''}
for _, name in ipairs(cmsgpack.unpack(ARGV[4])) do
  local bucket = ARGV[2] .. name
  local fields, sketch = redis.call('HGETALL', bucket .. ':day'), ''
  if #fields == 0 then
    buckets[#buckets + 1] = {}
  else
    local pages = changed_pages(bucket)
    buckets[#buckets + 1] = {redis.call('PFCOUNT', bucket .. ':visitors'), fields, pages}
    sketch = redis.call('GET', bucket .. ':visitors') or ''
    read = read + #pages / 2
  end
  reply[#reply + 1] = sketch
  if read >= enough then break end
end
reply[1] = cmsgpack.pack(buckets)
return reply
