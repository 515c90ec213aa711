-- Tells which generation the data of a lane are of.
--
-- KEYS    none of its own: it stands before every operation
-- returns nothing: it defines current_generation(key)
--
-- A generation is one life of the data: it ends when the server restarts, or another server takes over. Then the
-- replication id is another one, whatever connection the caller has. (INFO costs about 2 us here.)

-- Returns the id of the current generation, '' if none has begun on these data yet.
local function current_generation(key)
  local life = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
  local held = redis.call('HMGET', key, 'life', 'id')
  if held[1] ~= life then return '' end
  return held[2]
end

