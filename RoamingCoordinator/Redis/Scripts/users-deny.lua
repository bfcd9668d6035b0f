-- Denies a user, or does no more.
-- KEYS: the denied, the policies, the version. ARGV: the version that is known, the name in lower case, the name, '1' if he is denied, how many may be.
-- Returns the version; -1: what is known here has been lost and must be put back first; -2: too many are denied.
local version = tonumber(redis.call('GET', KEYS[3]) or '0')
if version < tonumber(ARGV[1]) then
  return -1
end
if ARGV[4] == '1' then
  if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
    return -2
  end
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
else
  redis.call('HDEL', KEYS[1], ARGV[2])
end
redis.call('SET', KEYS[3], string.format('%.0f', version + 1))
return version + 1
