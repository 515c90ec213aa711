-- Begins a new generation when the server is not the one on which the current generation began.
--
-- KEYS    1 generation
-- ARGV    1 run id of the server, 2 id for a new generation
-- returns the id of the current generation

if redis.call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'id', ARGV[2], 'run_id', ARGV[1])
end
return redis.call('HGET', KEYS[1], 'id')
