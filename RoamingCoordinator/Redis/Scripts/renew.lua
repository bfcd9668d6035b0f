-- Renews the leases of keys that are there.
-- KEYS: the keys. ARGV: the lease in milliseconds.
for i = 1, #KEYS do
  redis.call('PEXPIRE', KEYS[i], ARGV[1])
end
return 1
