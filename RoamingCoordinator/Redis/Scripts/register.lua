-- A node is connected to a coordinator. Its sessions are numbered by the clock, so that numbers go on growing also after a loss.
-- KEYS[1] the node's presence. ARGV: the life of its process, what else there is to know of it, the lease in milliseconds.
-- Returns the session's number, and 1 if what it claimed in an earlier life has not been forgotten yet.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then
  redis.call('DEL', KEYS[1])
end
local before = redis.call('HMGET', KEYS[1], 'number', 'life', 'settled')
local time = redis.call('TIME')
local number = math.max((tonumber(before[1]) or 0) + 1, time[1] * 1000 + math.floor(time[2] / 1000))
local forget = before[2] and (before[2] ~= ARGV[1] or before[3] ~= '1')
redis.call('HSET', KEYS[1], 'number', string.format('%.0f', number), 'life', ARGV[1], 'settled', forget and '0' or '1', 'connected', '1', 'rest', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {string.format('%.0f', number), forget and 1 or 0}
