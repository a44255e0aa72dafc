-- ARGV: publish command, topic, life, socket, user, data, peer, most members, stamp ('' now), came ('' now)
-- Answers {what, version, stamp, elsewhere}: -1 the life is over, 0 full, 1 was there, 2 came.
local publish, topic, life, socket, user = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('EXISTS', FENCE) == 1 then
  return {-1}
end
local record = read(user)
local known = record ~= nil and record ~= false
if not known then
  local most = tonumber(ARGV[8])
  local count = redis.call('HLEN', LIST)
  if most > 0 and count > 0 and count - 1 >= most then
    return {0}
  end
  record = {k = {}}
end
local before = newest(record)
local stamp = ARGV[9] ~= '' and ARGV[9] or text(clock())
-- A stamp that somebody has already would leave the order to chance.
if ARGV[9] == '' and before and tonumber(before[1]) >= tonumber(stamp) then
  stamp = text(tonumber(before[1]) + 1)
end
local older = false
take(record, function(connection)
  older = older or (connection[2] == socket and life_number(connection[3]) > life_number(life))
  return connection[2] == socket
end, life)
if older then
  -- A later life of the same node has said this again already.
  return {1, version_now(), stamp, 0}
end
local elsewhere = 0
for _, connection in ipairs(record.k) do
  if connection[3] ~= life then elsewhere = 1 end
end
local mine = {stamp, socket, life, ARGV[6], ARGV[7]}
record.k[#record.k + 1] = mine
local version
if known then
  write(user, record)
  local after = newest(record)
  if after[4] ~= before[4] or after[5] ~= before[5] then
    version = announce(publish, topic, '~', user, record.c, after, socket)
  else
    version = version_now()
  end
else
  version = announce(publish, topic, '+', user, ARGV[10] ~= '' and ARGV[10] or nil, mine, socket)
  record.c = ARGV[10] ~= '' and ARGV[10] or version
  write(user, record)
end
redis.call('SADD', SEATS, user)
return {known and 1 or 2, version, stamp, elsewhere}
