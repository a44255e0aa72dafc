-- The registry of nodes: the lease of each incarnation, by this server's clock, in milliseconds.
-- KEYS: nodes (incarnation -> end of lease), beat (time of the last heartbeat of any node),
--       calm (since when leases have been renewed without an interruption of all)
-- ARGV: incarnation, lease
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[2])

-- No heartbeat of any node for half a lease: this server was unavailable, not the nodes. Renew all leases.
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
if now - last > lease / 2 then
  redis.call('SET', KEYS[3], now)
  for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    redis.call('ZADD', KEYS[1], now + lease, incarnation)
  end
end
redis.call('SET', KEYS[2], now)
local stable_for = now - tonumber(redis.call('GET', KEYS[3]) or now)
