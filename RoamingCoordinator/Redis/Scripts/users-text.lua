-- Keeps the text of a policy by its name.
-- KEYS[1] the text. ARGV: the text, the lease in milliseconds.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
