-- Lists a client for a node.
-- KEYS[1] a part of the node's list. ARGV: the client's number, the lease in milliseconds.
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
