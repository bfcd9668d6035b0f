-- Writes down whether a node is drained.
-- KEYS[1] the drained nodes. ARGV: the node, '1' if it is, the lease in milliseconds.
if redis.call('TYPE', KEYS[1]).ok ~= 'set' then
  redis.call('DEL', KEYS[1])
end
redis.call(ARGV[2] == '1' and 'SADD' or 'SREM', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
