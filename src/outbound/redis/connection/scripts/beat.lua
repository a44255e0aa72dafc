-- KEYS, further: gone (lives that ended, until what they left is cleared away)
-- Answers: whether the life still counts, for how long it has been calm, and the lives to be cleared away.
local counts = redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
if counts == 1 then
  redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
end
for _, life in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], life)
  redis.call('ZADD', KEYS[4], now, life)
end
return {counts, calm, redis.call('ZRANGE', KEYS[4], 0, -1)}
