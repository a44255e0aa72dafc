redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
return stable_for
