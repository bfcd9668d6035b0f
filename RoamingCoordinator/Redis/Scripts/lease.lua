-- Gives a client the first of some addresses that is free, or its own, and lets go what it had otherwise.
-- KEYS: the leases (address to 6 octets client and the time until, ms since 1970), the clients (client to address).
-- ARGV: the client (6 octets), how long at least in milliseconds, then the addresses. Returns the address, or nothing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local client = ARGV[1]
local before = redis.call('HGET', KEYS[2], client)
for i = 3, #ARGV do
  local address = ARGV[i]
  local held = redis.call('HGET', KEYS[1], address)
  local owner = held and string.sub(held, 1, 6)
  local till = held and tonumber(string.sub(held, 7)) or 0
  if owner == client or till <= now then
    if owner and owner ~= client and redis.call('HGET', KEYS[2], owner) == address then
      redis.call('HDEL', KEYS[2], owner)
    end
    if before and before ~= address then
      local other = redis.call('HGET', KEYS[1], before)
      if other and string.sub(other, 1, 6) == client then
        redis.call('HDEL', KEYS[1], before)
      end
    end
    local wanted = now + tonumber(ARGV[2])
    if owner == client then
      wanted = math.max(wanted, till)
    end
    redis.call('HSET', KEYS[1], address, client .. string.format('%.0f', wanted))
    redis.call('HSET', KEYS[2], client, address)
    -- The keys outlive the last lease by a day: who comes back then gets what it had.
    local keep = wanted - now + 86400000
    for k = 1, 2 do
      if redis.call('PTTL', KEYS[k]) < keep then
        redis.call('PEXPIRE', KEYS[k], string.format('%.0f', keep))
      end
    end
    return address
  end
end
return false
