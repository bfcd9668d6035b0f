-- Reads the book of addresses as it is at one moment.
-- KEYS: the addresses, the book's version, the drained nodes.
-- Returns the version, pairs of address and record, and the drained nodes; what is of another type than it should be is not there.
local function read(key, kind, command)
  return redis.call('TYPE', key).ok == kind and redis.call(command, key) or {}
end
local version = redis.call('TYPE', KEYS[2]).ok == 'string' and tonumber(redis.call('GET', KEYS[2])) or 0
if not (version >= 0 and version <= 9007199254740992) then
  version = 0
end
return {string.format('%.0f', version), read(KEYS[1], 'hash', 'HGETALL'), read(KEYS[3], 'set', 'SMEMBERS')}
