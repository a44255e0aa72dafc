-- The number of connections on a channel: a hash of process -> "count:incarnation".
-- KEYS: counts, fence (exists: this incarnation has been evicted)
-- ARGV: publish command, topic, process, incarnation, count, app and channel if it is to be published
-- Returns {total over all nodes, change}: 1 the channel became occupied, -1 it became vacant, 0 neither.
-- {-1}: the incarnation has been evicted.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {-1}
end
local before = redis.call('HLEN', KEYS[1])
if ARGV[5] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[3])
else
  redis.call('HSET', KEYS[1], ARGV[3], ARGV[5] .. ':' .. ARGV[4])
end
local total = 0
for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
  total = total + tonumber(string.match(value, '^%d+'))
end
if ARGV[6] and total > 0 then
  redis.call(ARGV[1], ARGV[2], cjson.encode({b = {k = {ARGV[6], ARGV[7], total}}}))
end
local change = 0
if before == 0 and total > 0 then change = 1 end
if before > 0 and total == 0 then change = -1 end
return {total, change}
