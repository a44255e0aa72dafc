-- KEYS, further: gone (expired incarnations whose data has not been removed yet)
-- Returns {1 if the lease is still valid, stable_for in milliseconds, incarnations to clean up}.
local valid = redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
if valid == 1 then
  redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
end
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], expired)
  redis.call('ZADD', KEYS[4], now, expired)
end
return {valid, stable_for, redis.call('ZRANGE', KEYS[4], 0, -1)}
