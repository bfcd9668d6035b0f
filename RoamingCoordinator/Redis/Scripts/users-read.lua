-- Reads who is denied and which policies hold, as it is at one moment.
-- KEYS[1] the book: version, count (of the denied), text, tag, generation (of the policies), 'd:' and a name in lower case to the name, 't' and a version modulo 256 to that version and its stamp.
-- ARGV: the version that is known, its stamp.
-- Returns version, its stamp, 1 if what is known came before it, names, text, tag, generation; nothing that was ever written has version 0.
local names, at = {}, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'd:' then
    names[#names + 1] = all[i + 1]
  else
    at[all[i]] = all[i + 1]
  end
end
local version = at['version'] or '0'
local stamp = string.match(at[string.format('t%.0f', tonumber(version) % 256)] or '', ' (.*)') or ''
local follows = tonumber(version) >= tonumber(ARGV[1]) and at[string.format('t%.0f', tonumber(ARGV[1]) % 256)] == ARGV[1] .. ' ' .. ARGV[2]
return { version, stamp, follows and '1' or '0', names, at['text'] or '', at['tag'] or '', at['generation'] or '0' }
