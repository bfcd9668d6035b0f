-- Replaces the policies.
-- KEYS[1] the book (users-read.lua).
-- ARGV: the version that is known, its stamp, the stamp of the next one, the text, its tag, what must hold ('any', 'none', or '=' and its tag).
-- Returns the version; -1: what is known here has been lost and must be put back first; -2: other policies hold than those expected.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version < tonumber(ARGV[1]) or redis.call('HGET', KEYS[1], string.format('t%.0f', tonumber(ARGV[1]) % 256)) ~= ARGV[1] .. ' ' .. ARGV[2] then
  return -1
end
local tag = redis.call('HGET', KEYS[1], 'tag')
if ARGV[6] ~= 'any' and (tag and '=' .. tag or 'none') ~= ARGV[6] then
  return -2
end
local next = string.format('%.0f', version + 1)
redis.call('HSET', KEYS[1], 'version', next, 'text', ARGV[4], 'tag', ARGV[5], 'generation', next, string.format('t%.0f', (version + 1) % 256), next .. ' ' .. ARGV[3])
return version + 1
