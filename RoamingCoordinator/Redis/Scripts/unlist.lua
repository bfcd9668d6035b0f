-- Takes a member out of a list.
-- KEYS[1] the list. ARGV: the member.
return redis.call('SREM', KEYS[1], ARGV[1])
