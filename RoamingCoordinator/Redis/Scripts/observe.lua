-- Tells the store's incarnation, and begins a new one if the store has been emptied or a server has become master that was none when it was last looked at:
-- such a server may lack writes that were acknowledged.
-- KEYS: the incarnation, the masters seen. ARGV: a number for a new incarnation, '1' to begin one in any case, then the identities of the present masters.
if redis.call('TYPE', KEYS[1]).ok ~= 'string' then
  redis.call('DEL', KEYS[1])
end
if redis.call('TYPE', KEYS[2]).ok ~= 'set' then
  redis.call('DEL', KEYS[2])
end
local fresh = ARGV[2] == '1' or redis.call('EXISTS', KEYS[1]) == 0
for i = 3, #ARGV do
  if redis.call('SADD', KEYS[2], ARGV[i]) == 1 then
    fresh = true
  end
end
if fresh then
  redis.call('SET', KEYS[1], ARGV[1])
  -- Who was master before is not remembered for ever.
  redis.call('DEL', KEYS[2])
  for i = 3, #ARGV do
    redis.call('SADD', KEYS[2], ARGV[i])
  end
end
return redis.call('GET', KEYS[1])
