-- How many connections are on a channel: a hash of process -> "count:life".
-- KEYS: counts, fence (there: this life is over)
-- ARGV: publish command, topic, process, life, count, app and channel where it is to be announced
-- Answers {count over all, turn}: 1 nobody was there and somebody is, -1 the other way, 0 neither. {-1}: the life is over.
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
local turn = 0
if before == 0 and total > 0 then turn = 1 end
if before > 0 and total == 0 then turn = -1 end
return {total, turn}
