-- KEYS, further: counts
-- ARGV: publish command, topic, life, how long the fence stands (seconds), most users at a call, process
-- Answers how many users are left to be looked at.
local publish, topic, life = ARGV[1], ARGV[2], ARGV[3]
redis.call('SET', FENCE, 1, 'EX', ARGV[4])
local counted = redis.call('HGET', KEYS[4], ARGV[6])
if counted and string.match(counted, ':(.*)$') == life then
  redis.call('HDEL', KEYS[4], ARGV[6])
end
for _, user in ipairs(redis.call('SRANDMEMBER', SEATS, ARGV[5])) do
  local record = read(user)
  if record then
    local before = newest(record)
    local count = take(record, function(connection) return connection[3] == life end, life)
    if count > 0 and #record.k == 0 then
      remove(publish, topic, user, record, before, before[2], life)
    elseif count > 0 then
      write(user, record)
      local after = newest(record)
      if after[4] ~= before[4] or after[5] ~= before[5] then
        announce(publish, topic, '~', user, record.c, after, after[2])
      end
    end
  end
  redis.call('SREM', SEATS, user)
end
return redis.call('SCARD', SEATS)
