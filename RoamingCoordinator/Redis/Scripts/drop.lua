-- Removes a key that holds what it must not hold.
-- KEYS[1] the key. ARGV: the type that it should have, and the first 8 octets of the value that cannot be read (empty: only the type is wrong).
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then
  return 0
end
if kind ~= ARGV[1] or (ARGV[2] ~= '' and redis.call('GETRANGE', KEYS[1], 0, 7) == ARGV[2]) then
  return redis.call('DEL', KEYS[1])
end
return 0
