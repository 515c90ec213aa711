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
-- How many values a group begins with.
local HEAD = 12
-- The clocks of two workers may differ by this much without a visit being counted twice.
local CLOCK_SLACK_MS = 60000
-- How often old visitors are forgotten in the time for which they are kept.
local FORGETS = 48
-- A visit timeout has this many ticks, less one.
local TICKS = 2046

-- Locals are found faster than globals.
local call, unpack, floor, ceil, max, sub = redis.call, unpack, math.floor, math.ceil, math.max, string.sub
local BATCH, IDS, TOKEN, SITE, BUCKET = ARGV[2], ARGV[5], 'token:' .. ARGV[6], ARGV[7], ARGV[8]

local generation = current_generation(KEYS[1])
if generation ~= ARGV[1] then return {'generation', generation} end
local sequence = tonumber(ARGV[2])
local sequence_before = tonumber(call('GET', KEYS[2]) or '0')
if sequence <= sequence_before then
  call('EXPIRE', KEYS[2], ARGV[3])
  return {'duplicate', sequence_before}
end

-- The groups are one list, as many small ones take longer to decode. A group has HEAD values, then its views' times,
-- its pages, the views of each of them, and its heartbeats' times.
local groups = cmsgpack.unpack(ARGV[4])

-- A visitor's score is the time of the last sign. If that was no view but a heartbeat, the fraction tells in which tick
-- the last view was, or that it was too long ago to matter. So visits and who is online need one entry, and views alone
-- decide on visits: exactly, or where a heartbeat came since, to a tick (0.9 s of half an hour).
local function tick_of(timeout_ms) return ceil(timeout_ms / (TICKS - 1)) end

-- Returns the times of the last sign and of the last view, which may be nil.
local function times_of(score, timeout_ms)
  local sign = floor(score)
  if sign == score then return sign, sign end
  local code = (score - sign) * (TICKS + 2) - 1
  if code == TICKS then return sign, nil end
  local tick_ms = tick_of(timeout_ms)
  local sign_tick = floor(sign / tick_ms)
  return sign, (sign_tick - (sign_tick - code) % TICKS) * tick_ms
end

local function score_of(sign, view, timeout_ms)
  if sign == view then return sign end
  local code = TICKS
  if view and sign - view < timeout_ms then code = floor(view / tick_of(timeout_ms)) % TICKS end
  return sign + (code + 1) / (TICKS + 2)
end

-- Returns what a sign at some time makes of the times of the last sign and view, and whether a visit begins with it.
local function meet(sign, view, at, timeout_ms, is_view)
  local begins = false
  if is_view then
    begins = not view or at - view >= timeout_ms
    if not view or at > view then view = at end
  end
  if not sign or at > sign then sign = at end
  return sign, view, begins
end

local ids_read = 0

local function next_id()
  ids_read = ids_read + ID_BYTES
  return sub(IDS, ids_read - ID_BYTES + 1, ids_read)
end

-- Reads the ids of n hits and, where the span carries, those under the salt of the day before.
local function read_ids(n, carries)
  local ids, ids_before = {}, carries and {}
  for i = 1, n do
    ids[i] = next_id()
    if carries then ids_before[i] = next_id() end
  end
  return ids, ids_before
end

-- Notes the signs of visitors, views or heartbeats, whose times stand from `first` on; where the span carries, they may
-- be known under their ids of the day before. Returns how many visits begin with them.
local function come(seen, first, ids, ids_before, timeout_ms, are_views)
  local scores = call('ZMSCORE', seen, unpack(ids))
  local carried = ids_before and call('ZMSCORE', seen, unpack(ids_before))
  if ids_before then call('ZREM', seen, unpack(ids_before)) end
  local signs, views, visits = {}, {}, 0
  for i, id in ipairs(ids) do
    local sign, view, begins = signs[id], views[id], false
    if not sign then
      local score = scores[i] or carried and carried[i]
      if score then sign, view = times_of(tonumber(score), timeout_ms) end
    end
    signs[id], views[id], begins = meet(sign, view, groups[first + i - 1], timeout_ms, are_views)
    if begins then visits = visits + 1 end
  end
  local scores_and_ids = {}
  for id, sign in pairs(signs) do
    scores_and_ids[#scores_and_ids + 1] = score_of(sign, views[id], timeout_ms)
    scores_and_ids[#scores_and_ids + 1] = id
  end
  call('ZADD', seen, unpack(scores_and_ids))
  return visits
end

-- The same for one visitor, which most groups of a thousand sites have.
local function come_alone(seen, at, id, timeout_ms, are_views)
  local score, sign, view, begins = call('ZMSCORE', seen, id)[1]
  if score then sign, view = times_of(tonumber(score), timeout_ms) end
  sign, view, begins = meet(sign, view, at, timeout_ms, are_views)
  call('ZADD', seen, score_of(sign, view, timeout_ms), id)
  return begins and 1 or 0
end

-- Forgets those who are older than keep_ms. Nobody has to be forgotten in time, as whoever reads looks at the times;
-- so it is enough to do this now and then, by the server's clock, as the key's life is longer by that much.
local function forget(seen, newest_ms, keep_ms, expires)
  call('ZREMRANGEBYSCORE', seen, '-inf', newest_ms - keep_ms - CLOCK_SLACK_MS)
  if expires then call('PEXPIRE', seen, keep_ms + CLOCK_SLACK_MS + ceil(keep_ms / FORGETS)) end
end

local function newest_of(first, n)
  local newest_ms = 0
  for i = first, first + n - 1 do newest_ms = max(newest_ms, groups[i]) end
  return newest_ms
end

-- Adds the views of n pages, or of those above the cap together.
local function add_pages(bucket, first, n, day_views, page_cap)
  local pages, changed = bucket .. ':pages', bucket .. ':changed'
  -- There are no more pages than views.
  if n == 1 and day_views <= page_cap then
    call('HINCRBY', pages, groups[first], groups[first + 1])
    call('SADD', changed, groups[first])
    return
  end
  local names = {unpack(groups, first, first + n - 1)}
  local before, after, room, other = call('HMGET', pages, unpack(names)), {}, n, 0
  if day_views > page_cap then room = page_cap - call('HLEN', pages) + call('HEXISTS', pages, OTHER) end
  for i, name in ipairs(names) do
    local views = groups[first + n + i - 1]
    if before[i] or room > 0 then
      if not before[i] then room = room - 1 end
      after[#after + 1] = name
      after[#after + 1] = (before[i] or 0) + views
    else
      other = other + views
      names[i] = OTHER
    end
  end
  if other > 0 then call('HINCRBY', pages, OTHER, other) end
  if #after > 0 then call('HSET', pages, unpack(after)) end
  call('SADD', changed, unpack(names))
end

local dirty = {}

-- Adds to the counts of a bucket, notes that it has this batch, and enters a new one where the rollup and the widget
-- look for it. Returns its views as they are now, and when visitors were forgotten.
local function add(site, name, day, hour, views, visits, bots)
  local hour_views, hour_visits = 'views:' .. hour, 'visits:' .. hour
  local before = call('HMGET', day, 'version', 'forgot', 'views', hour_views, 'visits', hour_visits)
  local version, day_views = tonumber(before[1] or '0'), (before[3] or 0) + views
  if version == 0 then
    call('HSET', day, 'part', call('INCR', KEYS[3]))
    call('SADD', SITE .. site .. ':index', name)
    call('SADD', KEYS[4], name)
  end
  if visits > 0 then
    call('HSET', day, 'version', version + 1, TOKEN, BATCH, 'views', day_views, hour_views, (before[4] or 0) + views,
      'visits', (before[5] or 0) + visits, hour_visits, (before[6] or 0) + visits)
  elseif views > 0 then
    call('HSET', day, 'version', version + 1, TOKEN, BATCH, 'views', day_views, hour_views, (before[4] or 0) + views)
  else
    call('HSET', day, 'version', version + 1, TOKEN, BATCH)
  end
  if bots > 0 then call('HINCRBY', day, 'bots', bots) end
  dirty[#dirty + 1] = name
  return day_views, tonumber(before[2] or '0')
end

local time = call('TIME')
local now_ms = time[1] * 1000 + floor(time[2] / 1000)
call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
local at = 1
while at <= #groups do
  local site, name, hour, carries, timeout_ms, window_ms, expires, page_cap, bots, views, pages, heartbeats =
    unpack(groups, at, at + HEAD - 1)
  at = at + HEAD
  local seen = SITE .. site .. ':seen'
  local bucket = BUCKET .. name
  local day = bucket .. ':day'
  local keep_ms = max(timeout_ms, window_ms)
  local visits = 0
  if views > 0 then
    if views == 1 and not carries then
      local id = next_id()
      visits = come_alone(seen, groups[at], id, timeout_ms, true)
      call('PFADD', bucket .. ':visitors', id)
    else
      local ids, ids_before = read_ids(views, carries)
      visits = come(seen, at, ids, ids_before, timeout_ms, true)
      call('PFADD', bucket .. ':visitors', unpack(ids))
    end
  end
  if views + bots > 0 then
    local day_views, forgot_ms = add(site, name, day, hour, views, visits, bots)
    if views > 0 and math.abs(now_ms - forgot_ms) >= keep_ms / FORGETS then
      call('HSET', day, 'forgot', string.format('%.0f', now_ms))
      forget(seen, newest_of(at, views), keep_ms, expires)
    end
    if pages > 0 then add_pages(bucket, at + views, pages, day_views, page_cap) end
  end
  at = at + views + 2 * pages
  if heartbeats > 0 then
    local ids, ids_before = read_ids(heartbeats, carries)
    come(seen, at, ids, ids_before, timeout_ms, false)
    forget(seen, newest_of(at, heartbeats), keep_ms, expires)
  end
  at = at + heartbeats
end
if #dirty > 0 then call('SADD', KEYS[5], unpack(dirty)) end
return {'recorded', sequence_before}
