-- Counts one batch of hits in one lane, once.
--
-- KEYS    1 generation, 2 token of the worker, 3 parts, 4 open, 5 dirty
-- ARGV    1 generation that the worker believes in, 2 sequence of the batch, 3 life of the token in s,
--         4 the groups (msgpack, see batch.py), 5 the visitor ids of all groups, 8 bytes each, 6 the worker,
--         7 prefix of the keys of sites, 8 prefix of the keys of buckets
-- returns {'recorded', sequence before} | {'duplicate', last sequence} | {'generation', current or ''}
--         and a duplicate writes, too, so that WAIT covers what it repeats
--
-- Times are ms since the epoch. Nothing is written unless the whole batch is. The keys of a site and of a bucket are
-- made from its name, as a thousand of them would take longer to send than to use; they share the lane's hash tag.

local ID_BYTES = 8
local OTHER = '(other)'
-- The clocks of two workers may differ by this much without a visit being counted twice.
local CLOCK_SLACK_MS = 60000
-- How often old visitors are forgotten in the time for which they are kept.
local FORGETS = 48
-- A visit timeout has this many ticks, less one.
local TICKS = 2046

local generation = current_generation(KEYS[1])
if generation ~= ARGV[1] then return {'generation', generation} end
local sequence = tonumber(ARGV[2])
local sequence_before = tonumber(redis.call('GET', KEYS[2]) or '0')
if sequence <= sequence_before then
  redis.call('EXPIRE', KEYS[2], ARGV[3])
  return {'duplicate', sequence_before}
end

local ids_read = 0
local function next_id()
  ids_read = ids_read + ID_BYTES
  return string.sub(ARGV[5], ids_read - ID_BYTES + 1, ids_read)
end

-- Reads the ids of n hits and, where the span carries, those under the salt of the day before.
local function read_ids(n, carries)
  local ids, ids_before = {}, {}
  for i = 1, n do
    ids[i] = next_id()
    if carries then ids_before[i] = next_id() end
  end
  return ids, ids_before
end

-- A visitor's score is the time of the last sign. If that was no view but a heartbeat, the fraction tells in which tick
-- the last view was, or that it was too long ago to matter. So visits and who is online need one entry, and views alone
-- decide on visits: exactly, or where a heartbeat came since, to a tick (0.9 s of half an hour).
local function tick_of(timeout_ms) return math.ceil(timeout_ms / (TICKS - 1)) end

-- Returns the times of the last sign and of the last view, which may be nil.
local function times_of(score, timeout_ms)
  local sign = math.floor(score)
  if sign == score then return sign, sign end
  local code = (score - sign) * (TICKS + 2) - 1
  if code == TICKS then return sign, nil end
  local tick_ms = tick_of(timeout_ms)
  local sign_tick = math.floor(sign / tick_ms)
  return sign, (sign_tick - (sign_tick - code) % TICKS) * tick_ms
end

local function score_of(sign, view, timeout_ms)
  if sign == view then return sign end
  local code = TICKS
  if view and sign - view < timeout_ms then code = math.floor(view / tick_of(timeout_ms)) % TICKS end
  return sign + (code + 1) / (TICKS + 2)
end

-- Notes the signs of visitors, views or heartbeats, and returns how many visits begin with them.
local function come(seen, times, ids, ids_before, timeout_ms, are_views)
  local scores = redis.call('ZMSCORE', seen, unpack(ids))
  local carried = #ids_before > 0 and redis.call('ZMSCORE', seen, unpack(ids_before)) or {}
  local signs, views, visits = {}, {}, 0
  for i, id in ipairs(ids) do
    local score, at = scores[i] or carried[i], times[i]
    if score and not signs[id] then signs[id], views[id] = times_of(tonumber(score), timeout_ms) end
    if are_views then
      local last = views[id]
      if not last or at - last >= timeout_ms then visits = visits + 1 end
      views[id] = math.max(at, last or at)
    end
    signs[id] = math.max(at, signs[id] or at)
  end
  if #ids_before > 0 then redis.call('ZREM', seen, unpack(ids_before)) end
  local scores_and_ids = {}
  for id, sign in pairs(signs) do
    scores_and_ids[#scores_and_ids + 1] = score_of(sign, views[id], timeout_ms)
    scores_and_ids[#scores_and_ids + 1] = id
  end
  redis.call('ZADD', seen, unpack(scores_and_ids))
  return visits
end

-- Forgets those who are older than keep_ms. Nobody has to be forgotten in time, as whoever reads looks at the times;
-- so it is enough to do this now and then, by the server's clock, as the key's life is longer by that much.
local function forget(seen, newest_ms, keep_ms, expires)
  redis.call('ZREMRANGEBYSCORE', seen, '-inf', newest_ms - keep_ms - CLOCK_SLACK_MS)
  if expires then redis.call('PEXPIRE', seen, keep_ms + CLOCK_SLACK_MS + math.ceil(keep_ms / FORGETS)) end
end

-- Adds the views of a page, or of the pages above the cap together.
local function add_page(pages, changed, page, views, page_cap)
  if redis.call('HINCRBY', pages, page, views) == views then
    local kept = redis.call('HLEN', pages)
    if kept > page_cap and kept - redis.call('HEXISTS', pages, OTHER) > page_cap then
      redis.call('HDEL', pages, page)
      redis.call('HINCRBY', pages, OTHER, views)
      page = OTHER
    end
  end
  redis.call('SADD', changed, page)
end

local dirty = {}

-- Adds to the counts of a bucket, notes that it has this batch, and enters a new one where the rollup and the widget
-- look for it. What `fields` names is added to; returns the counts as they were.
local function add(name, day, index, fields, amounts)
  local before = redis.call('HMGET', day, 'version', 'forgot', unpack(fields))
  local version = tonumber(before[1] or '0')
  local after = {'version', version + 1, 'token:' .. ARGV[6], ARGV[2]}
  for i, field in ipairs(fields) do
    after[#after + 1] = field
    after[#after + 1] = (before[i + 2] or 0) + amounts[i]
  end
  if version == 0 then
    after[#after + 1] = 'part'
    after[#after + 1] = redis.call('INCR', KEYS[3])
    redis.call('SADD', index, name)
    redis.call('SADD', KEYS[4], name)
  end
  redis.call('HSET', day, unpack(after))
  dirty[#dirty + 1] = name
  return tonumber(before[2] or '0')
end

local function newest_of(times)
  local newest_ms = 0
  for _, at in ipairs(times) do newest_ms = math.max(newest_ms, at) end
  return newest_ms
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
for _, group in ipairs(cmsgpack.unpack(ARGV[4])) do
  local site, name, hour, carries, timeout_ms, window_ms, expires, page_cap, bots, views_at, pages, heartbeats_at =
    unpack(group)
  local seen, index = ARGV[7] .. site .. ':seen', ARGV[7] .. site .. ':index'
  local bucket = ARGV[8] .. name
  local day = bucket .. ':day'
  local keep_ms = math.max(timeout_ms, window_ms)
  local views, visits = #views_at, 0
  if views > 0 then
    local ids, ids_before = read_ids(views, carries)
    visits = come(seen, views_at, ids, ids_before, timeout_ms, true)
    redis.call('PFADD', bucket .. ':visitors', unpack(ids))
    for p = 1, #pages, 2 do
      add_page(bucket .. ':pages', bucket .. ':changed', pages[p], pages[p + 1], page_cap)
    end
  end
  if views + bots > 0 then
    local fields, amounts = {}, {}
    if views > 0 then fields, amounts = {'views', 'views:' .. hour}, {views, views} end
    if visits > 0 then
      fields[3], fields[4] = 'visits', 'visits:' .. hour
      amounts[3], amounts[4] = visits, visits
    end
    if bots > 0 then fields[#fields + 1], amounts[#amounts + 1] = 'bots', bots end
    local forgot_ms = add(name, day, index, fields, amounts)
    if views > 0 and math.abs(now_ms - forgot_ms) >= keep_ms / FORGETS then
      redis.call('HSET', day, 'forgot', string.format('%.0f', now_ms))
      forget(seen, newest_of(views_at), keep_ms, expires)
    end
  end
  if #heartbeats_at > 0 then
    local ids, ids_before = read_ids(#heartbeats_at, carries)
    come(seen, heartbeats_at, ids, ids_before, timeout_ms, false)
    forget(seen, newest_of(heartbeats_at), keep_ms, expires)
  end
end
if #dirty > 0 then redis.call('SADD', KEYS[5], unpack(dirty)) end
return {'recorded', sequence_before}
