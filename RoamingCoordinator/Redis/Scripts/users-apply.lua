-- Replaces the policies.
-- KEYS: the denied, the policies, the version. ARGV: the version that is known, the text, its tag, the tag that is expected to hold ('' for any).
-- Returns the version; -1: what is known here has been lost and must be put back first; -2: other policies hold than those expected.
local version = tonumber(redis.call('GET', KEYS[3]) or '0')
if version < tonumber(ARGV[1]) then
  return -1
end
if ARGV[4] ~= '' and (redis.call('HGET', KEYS[2], 'tag') or '') ~= ARGV[4] then
  return -2
end
redis.call('HSET', KEYS[2], 'text', ARGV[2], 'tag', ARGV[3], 'generation', string.format('%.0f', version + 1))
redis.call('SET', KEYS[3], string.format('%.0f', version + 1))
return version + 1
