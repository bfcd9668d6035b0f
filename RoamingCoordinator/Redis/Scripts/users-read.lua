-- Reads who is denied and which policies hold, as it is at one moment.
-- KEYS: the denied (lower case to name), the policies (text, tag, generation), the version.
-- Returns version, names, text, tag, generation; nothing that was ever written has version 0.
return {
  redis.call('GET', KEYS[3]) or '0',
  redis.call('HVALS', KEYS[1]),
  redis.call('HGET', KEYS[2], 'text') or '',
  redis.call('HGET', KEYS[2], 'tag') or '',
  redis.call('HGET', KEYS[2], 'generation') or '0',
}
