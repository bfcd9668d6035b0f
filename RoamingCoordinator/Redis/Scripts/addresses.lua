-- Changes the book of addresses, all or nothing.
-- KEYS: the addresses, the book's version. ARGV: the version that the asker knows, the lease in milliseconds, then triples of address, what is thought to be there (empty: nothing), what
-- is to be there. The version goes by the clock, so that it goes on growing also after a loss.
-- Returns nothing if something else was there; else the new version and the one before.
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  redis.call('DEL', KEYS[1])
end
for i = 3, #ARGV, 3 do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then
    return {}
  end
end
for i = 3, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
end
local before = redis.call('TYPE', KEYS[2]).ok == 'string' and tonumber(redis.call('GET', KEYS[2])) or 0
if not (before >= 0 and before <= 9007199254740000) then
  before = 0
end
local time = redis.call('TIME')
local version = math.max(before + 1, tonumber(ARGV[1]) + 1, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', KEYS[2], string.format('%.0f', version), 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {string.format('%.0f', version), string.format('%.0f', before)}
