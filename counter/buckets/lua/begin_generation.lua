-- Begins a new generation where none is current, or where the current one must end.
--
-- KEYS    1 generation
-- ARGV    1 id for a new generation, 2 id of one that must not go on ('' for none)
-- returns the id of the current generation

local current = current_generation(KEYS[1])
if current ~= '' and current ~= ARGV[2] then return current end
local life = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'life', life)
return ARGV[1]
