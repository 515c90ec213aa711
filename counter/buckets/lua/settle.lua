-- Notes that Postgres has confirmed a bucket as it was read.
--
-- KEYS    1 day, 2 pages, 3 changed, 4 dirty
-- ARGV    1 name of the bucket, 2 version that was read, then page, views, page, views, …
-- returns 1 if nothing is left to write, 0 if the bucket has changed meanwhile

for i = 3, #ARGV, 2 do
  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then redis.call('SREM', KEYS[3], ARGV[i]) end
end
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
redis.call('SREM', KEYS[4], ARGV[1])
return 1
