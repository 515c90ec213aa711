-- Estimates how many visitors some HyperLogLogs hold together.
--
-- KEYS    one scratch key for each
-- ARGV    the HyperLogLogs, as GET returned them
-- returns the estimate

for i, sketch in ipairs(ARGV) do redis.call('SET', KEYS[i], sketch) end
local visitors = redis.call('PFCOUNT', unpack(KEYS))
redis.call('UNLINK', unpack(KEYS))
return visitors
