-- KEYS: nodes, index (the channels on which a life may have left something)
-- ARGV: life, '+' or '-', channels
-- Answers 0 where the life does not count any more: then nothing is noted, and nothing may be left anywhere.
if ARGV[2] == '-' then
  redis.call('SREM', KEYS[2], unpack(ARGV, 3))
elseif redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('SADD', KEYS[2], unpack(ARGV, 3))
else
  return 0
end
return 1
