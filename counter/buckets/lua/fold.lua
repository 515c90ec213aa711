-- Puts a new base in place and removes the buckets that it holds, or changes nothing.
--
-- KEYS    1 generation, 2 base, 3 index, 4 open, 5 dirty,
--         then for each bucket to close: day, visitors, pages, changed;
--         then the key of the earlier visitors of each day that goes on and has closed buckets
-- ARGV    1 generation, 2 revision of the base that was read ('' for none), 3 body of the new base,
--         4 {name, version} of each bucket to close (msgpack), 5 names of the buckets that stay open (msgpack),
--         6 life of the earlier visitors in s, then for each of their keys: how many HyperLogLogs, and these
-- returns 1 if done, 0 if the base, the generation or the buckets have changed since they were read

local FIXED_KEYS, BUCKET_KEYS = 5, 4

local closing, staying = cmsgpack.unpack(ARGV[4]), cmsgpack.unpack(ARGV[5])
local revision = redis.call('HGET', KEYS[2], 'revision') or ''
if current_generation(KEYS[1]) ~= ARGV[1] or revision ~= ARGV[2] then return 0 end
if redis.call('SCARD', KEYS[3]) ~= #closing + #staying then return 0 end
for _, name in ipairs(staying) do
  if redis.call('SISMEMBER', KEYS[3], name) == 0 then return 0 end
end
for i, bucket in ipairs(closing) do
  local day = KEYS[FIXED_KEYS + (i - 1) * BUCKET_KEYS + 1]
  if redis.call('HGET', day, 'version') ~= bucket[2] then return 0 end
end

local at = 7
for i = FIXED_KEYS + #closing * BUCKET_KEYS + 1, #KEYS do
  local earlier = KEYS[i]
  local part = earlier .. ':part'
  redis.call('DEL', earlier)
  for sketch = at + 1, at + tonumber(ARGV[at]) do
    redis.call('SET', part, ARGV[sketch])
    redis.call('PFMERGE', earlier, part)
  end
  redis.call('DEL', part)
  redis.call('EXPIRE', earlier, ARGV[6])
  at = at + 1 + tonumber(ARGV[at])
end
for i, bucket in ipairs(closing) do
  local first = FIXED_KEYS + (i - 1) * BUCKET_KEYS
  redis.call('UNLINK', unpack(KEYS, first + 1, first + BUCKET_KEYS))
  for k = 3, 5 do redis.call('SREM', KEYS[k], bucket[1]) end
end
redis.call('HSET', KEYS[2], 'revision', tonumber(revision == '' and '0' or revision) + 1,
  'generation', ARGV[1], 'body', ARGV[3])
return 1
