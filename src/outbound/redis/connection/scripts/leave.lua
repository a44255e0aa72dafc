-- ARGV: publish command, topic, life, socket, user
-- Answers the list's version, and 1 where it was the user's last connection.
local publish, topic, life, socket, user = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local record = read(user)
if not record then
  return {version_now(), 0}
end
local before = newest(record)
local count, stays = take(record, function(connection)
  -- A later life of the same node knows better.
  return connection[2] == socket and life_number(connection[3]) <= life_number(life)
end, life)
if not stays then
  redis.call('SREM', SEATS, user)
end
if count == 0 then
  return {version_now(), 0}
end
if #record.k == 0 then
  return {remove(publish, topic, user, record, before, socket), 1}
end
write(user, record)
local after = newest(record)
if after[4] ~= before[4] or after[5] ~= before[5] then
  return {announce(publish, topic, '~', user, record.c, after, socket), 0}
end
return {version_now(), 0}
