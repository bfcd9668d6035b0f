-- Denies a user, or does no more.
-- KEYS[1] the book (users-read.lua). ARGV: the version that is known, its stamp, the stamp of the next one, the name in lower case, the name, '1' if he is denied, how many may be.
-- Returns the version; -1: what is known here has been lost and must be put back first; -2: too many are denied.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version < tonumber(ARGV[1]) or redis.call('HGET', KEYS[1], string.format('t%.0f', tonumber(ARGV[1]) % 256)) ~= ARGV[1] .. ' ' .. ARGV[2] then
  return -1
end
local count = tonumber(redis.call('HGET', KEYS[1], 'count') or '0')
if ARGV[6] == '1' then
  if redis.call('HEXISTS', KEYS[1], 'd:' .. ARGV[4]) == 0 then
    if count >= tonumber(ARGV[7]) then
      return -2
    end
    count = count + 1
  end
  redis.call('HSET', KEYS[1], 'd:' .. ARGV[4], ARGV[5])
else
  count = count - redis.call('HDEL', KEYS[1], 'd:' .. ARGV[4])
end
local next = string.format('%.0f', version + 1)
redis.call('HSET', KEYS[1], 'version', next, 'count', string.format('%.0f', count), string.format('t%.0f', (version + 1) % 256), next .. ' ' .. ARGV[3])
return version + 1
