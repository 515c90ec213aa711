-- Counts one batch of hits in one lane, once.
--
-- KEYS    1 generation, 2 token of the worker, 3 parts, 4 open, 5 dirty,
--         then for each group: seen, present, index, day, visitors, pages, changed
-- ARGV    1 generation that the worker believes in, 2 sequence of the batch, 3 life of the token in s,
--         4 the groups (msgpack, see batch.py), 5 the visitor ids of all groups, 8 bytes each, 6 the worker
-- returns {'recorded', sequence before} | {'duplicate', last sequence} | {'generation', current or ''}
--         and a duplicate writes, too, so that WAIT covers what it repeats
--
-- Times are ms since the epoch. Nothing is written unless the whole batch is.

local LANE_KEYS, GROUP_KEYS, ID_BYTES = 5, 7, 8
local OTHER = '(other)'
-- The clocks of two workers may differ by this much without a visit being counted twice.
local CLOCK_SLACK_MS = 60000

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

-- Notes the latest time of each visitor and forgets those who are older than keep_ms.
local function note(key, latest, newest_ms, keep_ms, expires)
  local times_and_ids = {}
  for id, at in pairs(latest) do
    times_and_ids[#times_and_ids + 1] = at
    times_and_ids[#times_and_ids + 1] = id
  end
  redis.call('ZADD', key, 'GT', unpack(times_and_ids))
  redis.call('ZREMRANGEBYSCORE', key, '-inf', newest_ms - keep_ms - CLOCK_SLACK_MS)
  if expires then redis.call('PEXPIRE', key, keep_ms + CLOCK_SLACK_MS) end
end

-- Notes each visitor's last view and returns how many visits began.
local function visit(seen, times, ids, ids_before, timeout_ms, expires)
  local scores = redis.call('ZMSCORE', seen, unpack(ids))
  local carried = #ids_before > 0 and redis.call('ZMSCORE', seen, unpack(ids_before)) or {}
  local latest, newest_ms, visits = {}, 0, 0
  for i, id in ipairs(ids) do
    latest[id] = latest[id] or tonumber(scores[i] or carried[i] or nil)
  end
  for i, id in ipairs(ids) do
    local at, last = times[i], latest[id]
    if not last or at - last >= timeout_ms then visits = visits + 1 end
    latest[id] = math.max(at, last or at)
    newest_ms = math.max(newest_ms, at)
  end
  if #ids_before > 0 then redis.call('ZREM', seen, unpack(ids_before)) end
  note(seen, latest, newest_ms, timeout_ms, expires)
  return visits
end

-- Notes who is online.
local function appear(present, times, ids, ids_before, window_ms, expires)
  local latest, newest_ms = {}, 0
  for i, id in ipairs(ids) do
    latest[id] = math.max(times[i], latest[id] or 0)
    newest_ms = math.max(newest_ms, times[i])
  end
  if #ids_before > 0 then redis.call('ZREM', present, unpack(ids_before)) end
  note(present, latest, newest_ms, window_ms, expires)
end

-- Adds the views of a page, or of the pages above the cap together.
local function add_page(pages, changed, page, views, page_cap)
  if redis.call('HINCRBY', pages, page, views) == views then
    local kept = redis.call('HLEN', pages) - redis.call('HEXISTS', pages, OTHER)
    if kept > page_cap then
      redis.call('HDEL', pages, page)
      redis.call('HINCRBY', pages, OTHER, views)
      page = OTHER
    end
  end
  redis.call('SADD', changed, page)
end

-- Raises the bucket's version, notes that it has this batch, and enters a new bucket where the rollup and the widget look for it.
local function touch(day, index, name)
  if redis.call('HINCRBY', day, 'version', 1) == 1 then
    redis.call('HSET', day, 'part', redis.call('INCR', KEYS[3]))
    redis.call('SADD', index, name)
    redis.call('SADD', KEYS[4], name)
  end
  redis.call('HSET', day, 'token:' .. ARGV[6], ARGV[2])
  redis.call('SADD', KEYS[5], name)
end

redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
for i, group in ipairs(cmsgpack.unpack(ARGV[4])) do
  local name, hour, carries, timeout_ms, window_ms, expires, page_cap, bots, views_at, pages, heartbeats_at =
    unpack(group)
  local first = LANE_KEYS + (i - 1) * GROUP_KEYS
  local seen, present, index, day, visitors, page_views, changed = unpack(KEYS, first + 1, first + GROUP_KEYS)
  local views = #views_at
  if views + bots > 0 then touch(day, index, name) end
  if bots > 0 then redis.call('HINCRBY', day, 'bots', bots) end
  if views > 0 then
    local ids, ids_before = read_ids(views, carries)
    local visits = visit(seen, views_at, ids, ids_before, timeout_ms, expires)
    appear(present, views_at, ids, ids_before, window_ms, expires)
    redis.call('PFADD', visitors, unpack(ids))
    redis.call('HINCRBY', day, 'views', views)
    redis.call('HINCRBY', day, 'views:' .. hour, views)
    if visits > 0 then
      redis.call('HINCRBY', day, 'visits', visits)
      redis.call('HINCRBY', day, 'visits:' .. hour, visits)
    end
    for p = 1, #pages, 2 do
      add_page(page_views, changed, pages[p], pages[p + 1], page_cap)
    end
  end
  if #heartbeats_at > 0 then
    local ids, ids_before = read_ids(#heartbeats_at, carries)
    appear(present, heartbeats_at, ids, ids_before, window_ms, expires)
  end
end
return {'recorded', sequence_before}
