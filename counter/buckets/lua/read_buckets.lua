-- Reads all that the rollup writes down of some buckets, each as of one moment.
--
-- KEYS    1 generation
-- ARGV    1 generation in which the caller believes to be, 2 prefix of the keys of buckets,
--         3 how many changed pages are enough: the rest of the buckets is left for the next call,
--         4 names of the buckets (msgpack)
-- returns {} if that generation is over, else {the buckets (msgpack), HyperLogLog or '' of each of them},
--         a bucket being {part, version, views, visits, visitors (estimate), bots, figures of hours (each behind its
--         place: of views 0 to 23, of visits 24 to 47), tokens (each behind its worker), changed pages, views of each},
--         and {} where it is gone
--
-- The keys of a bucket are made from its name, as in record.lua; they share the lane's hash tag.

if current_generation(KEYS[1]) ~= ARGV[1] then return {} end

local TOKEN = 'token:'
local PLACES = {}
for hour = 0, 23 do
  PLACES[string.format('views:%02d', hour)] = hour
  PLACES[string.format('visits:%02d', hour)] = hour + 24
end

-- Returns the pages that changed, and the views of each.
local function changed_pages(bucket)
  local changed = redis.call('SMEMBERS', bucket .. ':changed')
  if #changed == 0 then return changed, {} end
  local views = redis.call('HMGET', bucket .. ':pages', unpack(changed, 1, math.min(#changed, 1000)))
  for first = 1001, #changed, 1000 do
    local more = redis.call('HMGET', bucket .. ':pages', unpack(changed, first, math.min(first + 999, #changed)))
    for i = 1, #more do views[#views + 1] = more[i] end
  end
  return changed, views
end

-- Tells the fields of hours and the tokens from those that have a name of their own.
local function sort_out(fields)
  local day, hours, tokens = {}, {}, {}
  for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]
    local place = PLACES[field]
    if place then
      hours[#hours + 1] = place
      hours[#hours + 1] = value
    elseif string.sub(field, 1, #TOKEN) == TOKEN then
      tokens[#tokens + 1] = string.sub(field, #TOKEN + 1)
      tokens[#tokens + 1] = value
    else
      day[field] = value
    end
  end
  return day, hours, tokens
end

local enough, read = tonumber(ARGV[3]), 0
local buckets, reply = {}, {''}
for _, name in ipairs(cmsgpack.unpack(ARGV[4])) do
  local bucket = ARGV[2] .. name
  local fields, sketch = redis.call('HGETALL', bucket .. ':day'), ''
  if #fields == 0 then
    buckets[#buckets + 1] = {}
  else
    local day, hours, tokens = sort_out(fields)
    local visitors, pages, page_views = redis.call('PFCOUNT', bucket .. ':visitors'), changed_pages(bucket)
    buckets[#buckets + 1] = {
      day.part or '', day.version or '', day.views or 0, day.visits or 0, visitors, day.bots or 0, hours, tokens, pages,
      page_views,
    }
    sketch = redis.call('GET', bucket .. ':visitors') or ''
    read = read + #pages
  end
  reply[#reply + 1] = sketch
  if read >= enough then break end
end
reply[1] = cmsgpack.pack(buckets)
return reply
