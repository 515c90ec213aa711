-- Begins a new generation where none is current, where the current one must end, or where the lanes become others.
--
-- KEYS    1 generation
-- ARGV    1 id for a new generation, 2 id of one that must not go on ('' for none),
--         3 into how many lanes the caller puts the sites, 4 '1' if that is so from now on, '0' if it has to be so
-- returns the id of the current generation, '' if this lane belongs to another number of lanes
--
-- A generation that began before lanes were noted belongs to whoever looks first; who changes them ends it.

local current, lanes = current_generation(KEYS[1]), redis.call('HGET', KEYS[1], 'lanes')
local ours = lanes == ARGV[3] or (not lanes and ARGV[4] == '0')
if not ours and ARGV[4] == '0' then return '' end
if ours and current ~= '' and current ~= ARGV[2] then
  if not lanes then redis.call('HSET', KEYS[1], 'lanes', ARGV[3]) end
  return current
end
local life = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'life', life, 'lanes', ARGV[3])
return ARGV[1]
