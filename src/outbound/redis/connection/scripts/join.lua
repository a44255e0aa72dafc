-- ARGV: publish command, topic, incarnation, socket, user, data, peer, member limit, stamp ('' now), joined ('' now)
-- Returns {result, version, stamp, on another node}: result -1 the incarnation has been evicted, 0 the channel is
-- full, 1 the user was present, 2 the user is new.
local publish, topic, incarnation, socket, user = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('EXISTS', FENCE) == 1 then
  return {-1}
end
local record = read(user)
local known = record ~= nil and record ~= false
if not known then
  local limit = tonumber(ARGV[8])
  local count = redis.call('HLEN', LIST)
  if limit > 0 and count > 0 and count - 1 >= limit then
    return {0}
  end
  record = {k = {}}
end
local before = newest(record)
local stamp = ARGV[9] ~= '' and ARGV[9] or text(clock())
-- Two equal stamps would leave the order undefined.
if ARGV[9] == '' and before and tonumber(before[1]) >= tonumber(stamp) then
  stamp = text(tonumber(before[1]) + 1)
end
local superseded = false
local removed = remove_connections(record, function(connection)
  superseded = superseded or (connection[2] == socket and incarnation_number(connection[3]) > incarnation_number(incarnation))
  return connection[2] == socket
end, incarnation)
if superseded then
  -- A later incarnation of the same node has reasserted this connection already.
  return {1, current_version(), stamp, 0}
end
local elsewhere = 0
for _, connection in ipairs(record.k) do
  if connection[3] ~= incarnation then elsewhere = 1 end
end
-- The user's only connection gets new data.
local only = removed > 0 and #record.k == 0
local own = {stamp, socket, incarnation, ARGV[6], ARGV[7]}
record.k[#record.k + 1] = own
local version
if known then
  write(user, record)
  local after = newest(record)
  if after[4] ~= before[4] or after[5] ~= before[5] then
    version = announce(publish, topic, only and '=' or '~', user, record.c, after, socket)
  else
    version = current_version()
  end
else
  version = announce(publish, topic, '+', user, ARGV[10] ~= '' and ARGV[10] or nil, own, socket)
  record.c = ARGV[10] ~= '' and ARGV[10] or version
  write(user, record)
end
redis.call('SADD', USERS, user)
return {known and 1 or 2, version, stamp, elsewhere}
