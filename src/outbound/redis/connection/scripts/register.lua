-- The register of nodes: who lives until when, by this server's clock, in milliseconds.
-- KEYS: nodes (life -> end of lease), beat (when anybody last said something), calm (since when nodes come and go one by one)
-- ARGV: life, lease
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[2])

-- Where nobody was heard for long, it was this server that was away, not every node: all get a new lease.
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
if now - last > lease / 2 then
  redis.call('SET', KEYS[3], now)
  for _, life in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    redis.call('ZADD', KEYS[1], now + lease, life)
  end
end
redis.call('SET', KEYS[2], now)
local calm = now - tonumber(redis.call('GET', KEYS[3]) or now)
