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
-- Where a field of its own stands in a bucket of the reply, and where the figure of an hour stands among all.
local FIELDS = {part = 1, version = 2, views = 3, visits = 4, bots = 6}
local PLACES = {}
for hour = 0, 23 do
  PLACES[string.format('views:%02d', hour)] = hour
  PLACES[string.format('visits:%02d', hour)] = hour + 24
end

-- Locals are found faster than globals.
local call, unpack, sub, min = redis.call, unpack, string.sub, math.min

-- Returns the pages that changed, and the views of each.
local function changed_pages(bucket)
  local changed, pages = call('SMEMBERS', bucket .. ':changed'), bucket .. ':pages'
  if #changed == 0 then return changed, {} end
  local views = call('HMGET', pages, unpack(changed, 1, min(#changed, 1000)))
  for first = 1001, #changed, 1000 do
    local more = call('HMGET', pages, unpack(changed, first, min(first + 999, #changed)))
    for i = 1, #more do views[first + i - 1] = more[i] end
  end
  return changed, views
end

-- Returns a bucket from the fields of its day.
local function read_bucket(bucket, fields)
  local hours, tokens, at_hour, at_token = {}, {}, 0, 0
  local read = {'', '', 0, 0, call('PFCOUNT', bucket .. ':visitors'), 0, hours, tokens, changed_pages(bucket)}
  for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]
    if PLACES[field] then
      hours[at_hour + 1], hours[at_hour + 2] = PLACES[field], value
      at_hour = at_hour + 2
    elseif FIELDS[field] then
      read[FIELDS[field]] = value
    elseif sub(field, 1, #TOKEN) == TOKEN then
      tokens[at_token + 1], tokens[at_token + 2] = sub(field, #TOKEN + 1), value
      at_token = at_token + 2
    end
  end
  return read, #read[9]
end

local enough, pages_read = tonumber(ARGV[3]), 0
local buckets, reply = {}, {''}
for at, name in ipairs(cmsgpack.unpack(ARGV[4])) do
  local bucket, many = ARGV[2] .. name, 0
  local fields = call('HGETALL', bucket .. ':day')
  if #fields == 0 then
    buckets[at], reply[at + 1] = {}, ''
  else
    buckets[at], many = read_bucket(bucket, fields)
    reply[at + 1] = call('GET', bucket .. ':visitors') or ''
  end
  pages_read = pages_read + many
  if pages_read >= enough then break end
end
reply[1] = cmsgpack.pack(buckets)
return reply
