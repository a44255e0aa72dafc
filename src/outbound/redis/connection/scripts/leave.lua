-- ARGV: publish command, topic, incarnation, socket, user
-- Returns the list's version, and 1 if it was the user's last connection.
local publish, topic, incarnation, socket, user = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local record = read(user)
if not record then
  return {current_version(), 0}
end
local before = newest(record)
local count, remains = remove_connections(record, function(connection)
  -- The record of a later incarnation of the same node takes precedence.
  return connection[2] == socket and incarnation_number(connection[3]) <= incarnation_number(incarnation)
end, incarnation)
if not remains then
  redis.call('SREM', USERS, user)
end
if count == 0 then
  return {current_version(), 0}
end
if #record.k == 0 then
  return {remove_user(publish, topic, user, record, before, socket), 1}
end
write(user, record)
local after = newest(record)
if after[4] ~= before[4] or after[5] ~= before[5] then
  return {announce(publish, topic, '~', user, record.c, after, socket), 0}
end
return {current_version(), 0}
