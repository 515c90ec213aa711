-- Counts who is online on some sites.
--
-- KEYS    1 generation, which tells the server that holds the lane
-- ARGV    1 prefix of the keys of sites,
--         2 keys of the sites and start of the online window of each, ms since the epoch, by turns (msgpack):
--           who is seen in a later ms is online
-- returns how many are online on each site
--
-- The keys of a site are made from its name, as in record.lua; they share the lane's hash tag.

local sites, online = cmsgpack.unpack(ARGV[2]), {}
for i = 1, #sites, 2 do
  online[#online + 1] = redis.call('ZCOUNT', ARGV[1] .. sites[i] .. ':seen', sites[i + 1] + 1, '+inf')
end
return online
