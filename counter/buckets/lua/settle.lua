-- Notes that Postgres has confirmed some buckets as they were read.
--
-- KEYS    1 dirty
-- ARGV    1 prefix of the keys of buckets,
--         2 {name, version that was read, page → views} of each (msgpack), of some hundred at most
-- returns how many have nothing left to write; the others have changed meanwhile
--
-- The keys of a bucket are made from its name, as in record.lua; they share the lane's hash tag.

local settled, changed = {}, {}
for _, read in ipairs(cmsgpack.unpack(ARGV[2])) do
  local name, version, pages = unpack(read)
  local bucket = ARGV[1] .. name
  local version_now = redis.call('HGET', bucket .. ':day', 'version')
  if version_now == version then
    settled[#settled + 1] = name
    changed[#changed + 1] = bucket .. ':changed'
  elseif version_now then
    for page, views in pairs(pages) do
      if tonumber(redis.call('HGET', bucket .. ':pages', page)) == views then
        redis.call('SREM', bucket .. ':changed', page)
      end
    end
  end
end
if #settled > 0 then
  redis.call('UNLINK', unpack(changed))
  redis.call('SREM', KEYS[1], unpack(settled))
end
return #settled
