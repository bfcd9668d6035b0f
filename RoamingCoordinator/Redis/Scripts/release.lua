-- Takes an address away from a client, if it has it.
-- KEYS: the leases, the clients. ARGV: the client (6 octets), the address, for how many milliseconds it is to be nobody's.
local held = redis.call('HGET', KEYS[1], ARGV[2])
if not held or string.sub(held, 1, 6) ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
local quarantine = tonumber(ARGV[3])
if quarantine <= 0 then
  redis.call('HDEL', KEYS[1], ARGV[2])
  return 1
end
local time = redis.call('TIME')
local till = time[1] * 1000 + math.floor(time[2] / 1000) + quarantine
redis.call('HSET', KEYS[1], ARGV[2], string.rep('\0', 6) .. string.format('%.0f', till))
if redis.call('PTTL', KEYS[1]) < quarantine then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
