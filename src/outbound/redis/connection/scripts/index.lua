-- KEYS: nodes, index (the channels on which an incarnation may have data)
-- ARGV: incarnation, '+' or '-', channels
-- Returns 0 if the incarnation's lease has expired: nothing is added, and it must write no data.
if ARGV[2] == '-' then
  redis.call('SREM', KEYS[2], unpack(ARGV, 3))
elseif redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('SADD', KEYS[2], unpack(ARGV, 3))
else
  return 0
end
return 1
