-- Gives up claims that still are what they were when they were seen.
-- KEYS[1] the bucket. ARGV: pairs of endpoint and claim.
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return 1
