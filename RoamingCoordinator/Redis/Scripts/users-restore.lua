-- Puts back what a coordinator knows where the store has lost it, or has never had any; whoever knows a later state goes before.
-- KEYS: the denied, the policies, the version. ARGV: the version that is known, the policies' text ('' for none), tag and generation, then each name that is denied, in lower case and as it is.
-- Returns 1 if it has been put back, 0 if it is there.
local version = tonumber(redis.call('GET', KEYS[3]) or '0')
if version >= tonumber(ARGV[1]) then
  return 0
end
redis.call('DEL', KEYS[1])
for i = 5, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
if ARGV[2] ~= '' and tonumber(redis.call('HGET', KEYS[2], 'generation') or '0') <= tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[2], 'text', ARGV[2], 'tag', ARGV[3], 'generation', ARGV[4])
end
redis.call('SET', KEYS[3], ARGV[1])
return 1
