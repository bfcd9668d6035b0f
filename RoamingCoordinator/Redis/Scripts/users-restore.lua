-- Puts back what a coordinator knows where the store has lost it, or has never had any. Who is denied there stays denied; of two policy documents the later one holds.
-- KEYS[1] the book (users-read.lua).
-- ARGV: the version that is known ('0': none is), its stamp, the stamp of the next one, the highest version that has been seen, the policies' text ('' for none), tag and generation ('0': the next version),
-- then each name that is denied, in lower case and as it is.
-- Returns the version that it has made; 0 if nothing is lost.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local known = tonumber(ARGV[1])
if known == 0 and version > 0
  or known > 0 and version >= known and redis.call('HGET', KEYS[1], string.format('t%.0f', known % 256)) == ARGV[1] .. ' ' .. ARGV[2] then
  return 0
end
local next = math.max(version, tonumber(ARGV[4])) + 1
local count = tonumber(redis.call('HGET', KEYS[1], 'count') or '0')
for i = 8, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], 'd:' .. ARGV[i], ARGV[i + 1]) == 1 then
    count = count + 1
  end
end
local generation = tonumber(ARGV[7])
if generation == 0 then
  generation = next
end
if ARGV[5] ~= '' and tonumber(redis.call('HGET', KEYS[1], 'generation') or '0') < generation then
  redis.call('HSET', KEYS[1], 'text', ARGV[5], 'tag', ARGV[6], 'generation', string.format('%.0f', generation))
end
local made = string.format('%.0f', next)
redis.call('HSET', KEYS[1], 'version', made, 'count', string.format('%.0f', count), string.format('t%.0f', next % 256), made .. ' ' .. ARGV[3])
return next
