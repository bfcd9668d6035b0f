-- A coordinator is alive for another while.
-- KEYS[1] its key. ARGV: the lease in milliseconds.
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return 1
