-- A presence list: a hash of user -> {c: when the user came, k: connections}, and its version.
-- A connection is {stamp, socket, life, data, peer}; the one with the newest stamp says the user's data. Numbers are texts:
-- they are microseconds, too long for what cjson makes of a number.
-- KEYS: list, seats (users with a connection of one life), fence (there: that life is over)
local LIST, SEATS, FENCE = KEYS[1], KEYS[2], KEYS[3]
local VERSION = '\1v'

local function text(number)
  return string.format('%.0f', number)
end

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- The next version, and whether the list was empty. A new list begins with the time, so that no list that was here before
-- had a version as high.
local function step()
  local version = redis.call('HGET', LIST, VERSION)
  local fresh = not version
  local nextone = text(fresh and clock() or tonumber(version) + 1)
  redis.call('HSET', LIST, VERSION, nextone)
  return nextone, fresh
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

local function life_number(life)
  return tonumber(string.match(life, '%.(%d+)$'))
end

-- Takes out the connections for which `gone` says yes; answers how many, and whether one of `life` stays.
local function take(record, gone, life)
  local kept, count, stays = {}, 0, false
  for _, connection in ipairs(record.k) do
    if gone(connection) then
      count = count + 1
    else
      kept[#kept + 1] = connection
      stays = stays or connection[3] == life
    end
  end
  record.k = kept
  return count, stays
end

-- Announces a change: the same step that changes the list says so.
local function announce(publish, topic, kind, user, came, connection, socket, evicted)
  local version, fresh = step()
  redis.call(publish, topic, cjson.encode({b = {m = {
    o = kind, v = version, f = fresh, c = came or version, u = user, d = connection[4], p = connection[5], s = socket, i = evicted,
  }}}))
  return version
end

local function version_now()
  return redis.call('HGET', LIST, VERSION) or '0'
end

-- Ends a user's stay.
local function remove(publish, topic, user, record, last, socket, evicted)
  redis.call('HDEL', LIST, user)
  local version = announce(publish, topic, '-', user, record.c, last, socket, evicted)
  if redis.call('HLEN', LIST) == 1 then
    redis.call('DEL', LIST)
  end
  return version
end
