-- The members of a presence channel: a hash of user -> {c: version at which the user joined, k: connections}, and
-- its version. A connection is {stamp, socket, incarnation, data, peer}; the user's data is that of the connection
-- with the newest stamp. Numbers are strings: they are microseconds, beyond the precision of cjson's numbers.
-- KEYS: list, users (with a connection of one incarnation), fence (exists: that incarnation has been evicted)
local LIST, USERS, FENCE = KEYS[1], KEYS[2], KEYS[3]
local VERSION = '\1v'

local function text(number)
  return string.format('%.0f', number)
end

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Increments the version; returns it, and whether the list was empty. A new list starts at the current time, so its
-- version is above that of every earlier list of the channel.
local function next_version()
  local version = redis.call('HGET', LIST, VERSION)
  local fresh = not version
  local following = text(fresh and clock() or tonumber(version) + 1)
  redis.call('HSET', LIST, VERSION, following)
  return following, fresh
end

local function read(user)
  local found = redis.call('HGET', LIST, user)
  return found and cjson.decode(found)
end

local function write(user, record)
  table.sort(record.k, function(a, b) return tonumber(a[1]) < tonumber(b[1]) end)
  redis.call('HSET', LIST, user, cjson.encode(record))
end

local function newest(record)
  return record.k[#record.k]
end

local function incarnation_number(incarnation)
  return tonumber(string.match(incarnation, '%.(%d+)$'))
end

-- Removes the connections that match `predicate`; returns their number, and whether one of `incarnation` remains.
local function remove_connections(record, predicate, incarnation)
  local kept, count, remains = {}, 0, false
  for _, connection in ipairs(record.k) do
    if predicate(connection) then
      count = count + 1
    else
      kept[#kept + 1] = connection
      remains = remains or connection[3] == incarnation
    end
  end
  record.k = kept
  return count, remains
end

-- Publishes a change, in the same atomic step as the change of the list.
local function announce(publish, topic, kind, user, joined, connection, socket, evicted)
  local version, fresh = next_version()
  redis.call(publish, topic, cjson.encode({b = {m = {
    o = kind, v = version, f = fresh, c = joined or version, u = user, d = connection[4], p = connection[5], s = socket, i = evicted,
  }}}))
  return version
end

local function current_version()
  return redis.call('HGET', LIST, VERSION) or '0'
end

-- Removes a user whose last connection has left.
local function remove_user(publish, topic, user, record, last, socket, evicted)
  redis.call('HDEL', LIST, user)
  local version = announce(publish, topic, '-', user, record.c, last, socket, evicted)
  if redis.call('HLEN', LIST) == 1 then
    redis.call('DEL', LIST)
  end
  return version
end
