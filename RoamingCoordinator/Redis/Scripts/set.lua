-- Sets a client's record if it still has the version that was loaded.
-- KEYS[1] the record. ARGV: the loaded version (8 octets; empty if there was no record), the new value, the lease in milliseconds.
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
