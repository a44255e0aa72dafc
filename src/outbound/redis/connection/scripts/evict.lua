-- KEYS, further: counts
-- ARGV: publish command, topic, incarnation, lifetime of the fence (seconds), users per call, process
-- Returns the number of users that remain to be checked.
local publish, topic, incarnation = ARGV[1], ARGV[2], ARGV[3]
redis.call('SET', FENCE, 1, 'EX', ARGV[4])
local counted = redis.call('HGET', KEYS[4], ARGV[6])
if counted and string.match(counted, ':(.*)$') == incarnation then
  redis.call('HDEL', KEYS[4], ARGV[6])
end
for _, user in ipairs(redis.call('SRANDMEMBER', USERS, ARGV[5])) do
  local record = read(user)
  if record then
    local before = newest(record)
    local count = remove_connections(record, function(connection) return connection[3] == incarnation end, incarnation)
    if count > 0 and #record.k == 0 then
      remove_user(publish, topic, user, record, before, before[2], incarnation)
    elseif count > 0 then
      write(user, record)
      local after = newest(record)
      if after[4] ~= before[4] or after[5] ~= before[5] then
        announce(publish, topic, '~', user, record.c, after, after[2])
      end
    end
  end
  redis.call('SREM', USERS, user)
end
return redis.call('SCARD', USERS)
