-- Claims masquerade endpoints of one bucket for a client, all or none.
-- KEYS[1] the bucket. ARGV: the claim (6 octets client, 4 octets ticket), the lease in milliseconds, then the endpoints.
-- Returns pairs of endpoint and claim of those that another client has claimed; what is no claim is no obstacle.
local client = string.sub(ARGV[1], 1, 6)
local taken = {}
for i = 3, #ARGV do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held and #held == 10 and string.sub(held, 1, 6) ~= client then
    taken[#taken + 1] = ARGV[i]
    taken[#taken + 1] = held
  end
end
if #taken == 0 then
  for i = 3, #ARGV do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[1])
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return taken
