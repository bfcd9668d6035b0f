-- Removes an entry that cannot be read, if it still is what was seen.
-- KEYS[1] the hash. ARGV: the field, the value.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
