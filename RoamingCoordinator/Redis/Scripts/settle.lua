-- What a node claimed in an earlier life is forgotten, or its session has ended.
-- KEYS[1] the node's presence. ARGV: the session's number, the field, its new value.
if redis.call('HGET', KEYS[1], 'number') == ARGV[1] then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
  return 1
end
return 0
