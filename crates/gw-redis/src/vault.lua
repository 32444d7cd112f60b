-- The shared side of budgets and limits: one atomic step for each message of an instance.
-- The protocol is told in ARCHITECTURE.md ("Money between replicas"); src/message.rs has the words.
-- Amounts go beyond what a Lua number holds exactly, so they are pairs {high, low} in base 10^12.

local P = KEYS[1]
local m = cjson.decode(ARGV[1])
local time = redis.call('TIME')
-- A second argument is the time of a test.
local now = tonumber(ARGV[2] or nil)
  or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local B = 1000000000000
local ZERO = {0, 0}

local function text(n) return string.format('%.0f', n) end

local function num(s)
  if not s then return ZERO end
  local minus = string.sub(s, 1, 1) == '-'
  if minus then s = string.sub(s, 2) end
  local high, low = 0, 0
  if #s <= 12 then low = tonumber(s)
  else high = tonumber(string.sub(s, 1, -13)); low = tonumber(string.sub(s, -12)) end
  if minus then
    high = -high
    if low > 0 then high = high - 1; low = B - low end
  end
  return {high, low}
end

local function add(a, b)
  local high, low = a[1] + b[1], a[2] + b[2]
  if low >= B then high = high + 1; low = low - B end
  return {high, low}
end

local function sub(a, b)
  local high, low = a[1] - b[1], a[2] - b[2]
  if low < 0 then high = high - 1; low = low + B end
  return {high, low}
end

local function less(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end
local function is_zero(a) return a[1] == 0 and a[2] == 0 end

-- Of an amount that is not negative.
local function split(a, n)
  local high = math.floor(a[1] / n)
  return {high, math.floor(((a[1] - high * n) * B + a[2]) / n)}
end

local function str(a)
  if a[1] < 0 then
    local b = sub(ZERO, a)
    if b[1] > 0 then return string.format('-%.0f%012.0f', b[1], b[2]) end
    return '-' .. text(b[2])
  end
  if a[1] > 0 then return string.format('%.0f%012.0f', a[1], a[2]) end
  return text(a[2])
end

local MEMBERS, SEQ = P .. ':members', P .. ':seq'
local function account(key) return P .. ':a:' .. key end
local function recalls_of(id) return P .. ':rc:' .. id end
local function holdings_of(id) return P .. ':m:' .. id end

local function lasts(name)
  local till = tonumber(redis.call('GET', P .. name) or nil)
  return till ~= nil and now < till
end

local function members()
  local flat = redis.call('HGETALL', MEMBERS)
  local all = {}
  for at = 1, #flat, 2 do all[#all + 1] = {flat[at], tonumber(flat[at + 1])} end
  return all
end

-- Own amounts that nobody will report again are swept out once a day.
local function sweep(a)
  local day = math.floor(now / 86400000)
  if a.day == day then return end
  a.day = day
  local oldest = a.minute and math.floor(now / 1000) - 120 or now - 3 * 86400000
  for _, field in ipairs(redis.call('HKEYS', a.at)) do
    local slot = string.match(field, '^o:(%-?%d+):')
    if slot and tonumber(slot) < oldest then redis.call('HDEL', a.at, field) end
  end
end

-- Moves the start of the window ahead, never back; what left it no longer counts.
local function advance(a, all, from)
  if a.from and from <= a.from then return end
  if a.from then
    local step = a.minute and 1 or 300000
    if (from - a.from) / step > 1000 then
      for _, field in ipairs(redis.call('HKEYS', a.at)) do
        local slot = string.match(field, '^[so]:(%-?%d+)')
        if slot and tonumber(slot) < from then
          if string.sub(field, 1, 1) == 's' then
            a.spent = sub(a.spent, num(redis.call('HGET', a.at, field)))
          end
          redis.call('HDEL', a.at, field)
        end
      end
    else
      for slot = a.from, from - step, step do
        local name = text(slot)
        local spent = redis.call('HGET', a.at, 's:' .. name)
        if spent then
          a.spent = sub(a.spent, num(spent))
          redis.call('HDEL', a.at, 's:' .. name)
          for _, member in ipairs(all) do
            redis.call('HDEL', a.at, 'o:' .. name .. ':' .. member[1])
          end
        end
      end
    end
  end
  a.from = from
end

local function load(gen, wanted, all)
  local a = {at = account(wanted.k), minute = wanted.minute, moves = wanted.moves}
  local got = redis.call('HMGET', a.at, 'e', 'b', 'f', 'w', 'c', 'r', 'x', 'p')
  if got[1] ~= gen then
    redis.call('DEL', a.at)
    redis.call('HSET', a.at, 'e', gen)
    if a.minute then redis.call('HSET', a.at, 'z', 'm') end
    got = {}
  end
  a.seeded = (got[2] and true) or not wanted.base
  a.from = tonumber(got[3] or nil)
  a.spent, a.held = num(got[4]), num(got[5])
  a.round, a.calm = tonumber(got[6] or '0'), tonumber(got[7] or '0')
  a.day = tonumber(got[8] or nil)
  if a.minute then advance(a, all, math.floor(now / 1000) - 60)
  elseif wanted.moves then advance(a, all, tonumber(wanted.from)) end
  sweep(a)
  return a
end

-- What one instance spent in a slot in all. Money only grows; a minute's count is corrected.
local function report(a, id, slot, own)
  if a.moves and tonumber(slot) < a.from then return end
  local field = 'o:' .. slot .. ':' .. id
  local before, after = num(redis.call('HGET', a.at, field)), num(own)
  if not a.minute and less(after, before) then return end
  local change = sub(after, before)
  if is_zero(change) then return end
  redis.call('HSET', a.at, field, str(after))
  a.spent = add(a.spent, change)
  if a.moves then
    local sum = add(num(redis.call('HGET', a.at, 's:' .. slot)), change)
    redis.call('HSET', a.at, 's:' .. slot, str(sum))
  end
end

local function save(a, ttl)
  local f = a.from and text(a.from) or '0'
  redis.call('HSET', a.at, 'w', str(a.spent), 'c', str(a.held), 'r', text(a.round),
    'x', text(a.calm), 'p', text(a.day))
  if a.moves then redis.call('HSET', a.at, 'f', f) end
  if ttl then redis.call('PEXPIRE', a.at, text(ttl)) end
end

-- A long silence means that Redis itself was away: instances get time to come back before anyone
-- takes them for dead.
local function notice_gap()
  local seen = tonumber(redis.call('GET', P .. ':seen') or nil)
  if seen and now - seen > m.lease / 2 then
    redis.call('SET', P .. ':noreap', text(now + m.lease))
  end
  redis.call('SET', P .. ':seen', text(now))
end

local function join()
  local gen = redis.call('GET', P .. ':era')
  if not gen or gen == m.bad then
    for _, member in ipairs(members()) do
      redis.call('DEL', recalls_of(member[1]), holdings_of(member[1]))
    end
    redis.call('DEL', MEMBERS, SEQ, P .. ':expect', P .. ':nogrant')
    gen = m.fresh
    redis.call('SET', P .. ':era', gen)
    for _, id in ipairs(m.expect) do redis.call('SADD', P .. ':expect', id) end
    redis.call('SET', P .. ':nogrant', text(now + m.lease))
  end
  redis.call('HSET', MEMBERS, m.i, text(now + m.lease))
  redis.call('HSET', SEQ, m.i, text(m.seq))
  return {era = gen, now = now}
end

-- Who may still give back: holders of a lease, and for minutes everyone who counts there.
local function others_acked(a, key, all)
  local acked = a.round
  for _, member in ipairs(all) do
    local id = member[1]
    if id ~= m.i then
      local got = redis.call('HMGET', a.at, 'l:' .. id, 'k:' .. id)
      if got[1] and (a.minute or got[1] ~= '0') then
        local heeded = tonumber(got[2] or '0')
        -- Whoever took more since is asked again.
        if heeded < a.round then redis.call('SADD', recalls_of(id), key) end
        acked = math.min(acked, heeded)
      end
    end
  end
  return acked
end

local function open_round(a, key, all)
  a.round = a.round + 1
  for _, member in ipairs(all) do
    local id = member[1]
    if id ~= m.i then
      local lease = redis.call('HGET', a.at, 'l:' .. id)
      if lease and (a.minute or lease ~= '0') then redis.call('SADD', recalls_of(id), key) end
    end
  end
end

local function own_amounts(a)
  local found, tail = {}, ':' .. m.i
  local flat = redis.call('HGETALL', a.at)
  for at = 1, #flat, 2 do
    local slot, id = string.match(flat[at], '^o:(%-?%d+):(.*)$')
    if id == m.i then found[#found + 1] = {slot, flat[at + 1]} end
  end
  return found
end

local function let_go(id, key, begun)
  local at = account(key)
  local got = redis.call('HMGET', at, 'l:' .. id, 'c', 'z', 'w', 'e')
  if got[5] and got[1] then
    redis.call('HSET', at, 'c', str(sub(num(got[2]), num(got[1]))))
    -- A dead instance may have begun all that it was allowed to in this minute.
    if begun and got[3] == 'm' and got[1] ~= '0' then
      local slot = 's:' .. text(math.floor(now / 1000))
      redis.call('HSET', at, slot, str(add(num(redis.call('HGET', at, slot)), num(got[1]))),
        'w', str(add(num(got[4]), num(got[1]))))
    end
    redis.call('HDEL', at, 'l:' .. id, 'k:' .. id)
  end
  redis.call('SREM', holdings_of(id), key)
  redis.call('SREM', recalls_of(id), key)
end

local function remove(id, begun)
  for _, key in ipairs(redis.call('SMEMBERS', holdings_of(id))) do let_go(id, key, begun) end
  redis.call('DEL', holdings_of(id), recalls_of(id))
  redis.call('HDEL', MEMBERS, id)
  redis.call('HDEL', SEQ, id)
end

local function free(a) return sub(sub(a.cap, a.spent), a.held) end

local function sync()
  local gen = redis.call('GET', P .. ':era')
  if gen ~= m.era or redis.call('HEXISTS', MEMBERS, m.i) == 0 then return {again = 'join'} end
  local seq = tonumber(redis.call('HGET', SEQ, m.i) or '0')
  if seq < m.acked then return {again = 'lost'} end
  if seq >= m.seq then return {again = 'stale'} end
  redis.call('HSET', SEQ, m.i, text(m.seq))
  redis.call('HSET', MEMBERS, m.i, text(now + m.lease))
  local all = members()
  local count, oldest = 0, now
  for _, member in ipairs(all) do
    if member[2] >= now then count = count + 1 end
    oldest = math.min(oldest, member[2] - m.lease)
  end
  for _, key in ipairs(m.gone or {}) do let_go(m.i, key, false) end

  local accounts = {}
  for at, wanted in ipairs(m.accounts or {}) do
    local a = load(gen, wanted, all)
    a.cap = wanted.cap and num(wanted.cap)
    a.before = a.spent
    for _, slot in ipairs(wanted.slots or {}) do report(a, m.i, slot[1], slot[2]) end
    for _, slot in ipairs(wanted.drop or {}) do
      redis.call('HDEL', a.at, 'o:' .. slot .. ':' .. m.i)
    end
    local keep = num(wanted.keep)
    a.held = add(sub(a.held, num(redis.call('HGET', a.at, 'l:' .. m.i))), keep)
    a.lease = keep
    if wanted.ack >= a.round then redis.call('SREM', recalls_of(m.i), wanted.k) end
    redis.call('HSET', a.at, 'k:' .. m.i, text(wanted.ack))
    redis.call('SADD', holdings_of(m.i), wanted.k)
    accounts[at] = a
  end

  -- In a new generation nothing is granted before everyone told what they hold.
  if m.ready and redis.call('SREM', P .. ':expect', m.i) == 1
    and redis.call('SCARD', P .. ':expect') == 0 then
    redis.call('DEL', P .. ':nogrant')
  end
  local may_grant = not lasts(':nogrant')

  local answers, lacking, opened = {}, {}, {}
  for at, claim in ipairs(m.claims or {}) do
    local lacks = {}
    for _, ask in ipairs(claim) do
      local a = accounts[ask[1] + 1]
      if not (may_grant and a.seeded) or less(free(a), num(ask[2])) then
        lacks[#lacks + 1] = ask[1]
        -- Where even all that is held would not do, nobody needs to be asked.
        local hopeless = a.seeded and not a.minute and less(sub(a.cap, a.spent), num(ask[2]))
        if may_grant and a.seeded and not hopeless then
          lacking[ask[1] + 1] = true
          if ask[3] then opened[ask[1] + 1] = true end
        end
      end
    end
    if #lacks == 0 then
      for _, ask in ipairs(claim) do
        local a = accounts[ask[1] + 1]
        a.held = add(a.held, num(ask[2]))
        a.lease = add(a.lease, num(ask[2]))
      end
      answers[at] = {g = true}
    else
      answers[at] = {lacks = lacks}
    end
  end

  local told = {}
  for at, a in ipairs(accounts) do
    local wanted = m.accounts[at]
    if lacking[at] then
      a.calm = now + 250
      if opened[at] then open_round(a, wanted.k, all) end
    end
    if a.cap and a.seeded and may_grant and a.calm <= now and wanted.want then
      local room = free(a)
      if less(ZERO, room) then
        local extra = split(room, 2 * math.max(count, 1))
        local want = num(wanted.want)
        if less(want, extra) then extra = want end
        a.held = add(a.held, extra)
        a.lease = add(a.lease, extra)
      end
    end
    redis.call('HSET', a.at, 'l:' .. m.i, str(a.lease))
    -- What is granted now may turn out to be of no use there.
    if less(num(wanted.keep), a.lease) then redis.call('HSET', a.at, 'k:' .. m.i, '0') end
    save(a, wanted.ttl)
    local tell = {lease = str(a.lease), spent = str(a.spent), held = str(a.held),
      before = str(a.before), round = a.round, seeded = a.seeded, acked = a.round}
    if lacking[at] then tell.acked = others_acked(a, wanted.k, all) end
    if wanted.fresh and a.seeded then
      local own = own_amounts(a)
      if #own > 0 then tell.own = own end
    end
    if a.minute and lacking[at] then
      local fields, slots = {}, {}
      for slot = a.from, a.from + 60 do fields[#fields + 1] = 's:' .. text(slot) end
      local sums = redis.call('HMGET', a.at, unpack(fields))
      for n = 1, 61 do
        if sums[n] then slots[#slots + 1] = {text(a.from + n - 1), sums[n]} end
      end
      if #slots > 0 then tell.slots = slots end
    end
    told[at] = tell
  end

  local reply = {now = now, count = count, oldest = math.max(oldest, 0), waiting = not may_grant}
  if #told > 0 then reply.accounts = told end
  if #answers > 0 then reply.claims = answers end
  local recalled = {}
  for _, key in ipairs(redis.call('SMEMBERS', recalls_of(m.i))) do
    recalled[#recalled + 1] = {key, tonumber(redis.call('HGET', account(key), 'r') or '0')}
  end
  if #recalled > 0 then reply.recalled = recalled end
  if not lasts(':noreap') then
    local dead = {}
    for _, member in ipairs(all) do if member[2] < now then dead[#dead + 1] = member[1] end end
    if #dead > 0 then reply.dead = dead end
  end
  return reply
end

-- What the durable store knows of an account that Redis has not seen: by instance, and the rest.
local function seed()
  local gen = redis.call('GET', P .. ':era')
  if gen ~= m.era then return {again = 'join'} end
  local a = load(gen, m.account, members())
  if redis.call('HEXISTS', a.at, 'b') == 0 then
    for _, slot in ipairs(m.rest or {}) do
      a.spent = add(a.spent, num(slot[2]))
      if a.moves then
        local sum = add(num(redis.call('HGET', a.at, 's:' .. slot[1])), num(slot[2]))
        redis.call('HSET', a.at, 's:' .. slot[1], str(sum))
      end
    end
    for _, own in ipairs(m.owns or {}) do report(a, own[1], own[2], own[3]) end
    redis.call('HSET', a.at, 'b', '1')
  end
  save(a, m.account.ttl)
  return {now = now}
end

local function reap()
  local gen = redis.call('GET', P .. ':era')
  if gen ~= m.era then return {again = 'join'} end
  local till = tonumber(redis.call('HGET', MEMBERS, m.dead) or nil)
  if lasts(':noreap') or (till and till >= now) then
    return {alive = true}
  end
  local all = members()
  for at, wanted in ipairs(m.accounts or {}) do
    local name = account(wanted.k)
    local got = redis.call('HMGET', name, 'e', 'b')
    if got[1] == gen and got[2] then
      local a = load(gen, wanted, all)
      for _, slot in ipairs(wanted.slots or {}) do report(a, m.dead, slot[1], slot[2]) end
      save(a)
    end
  end
  if m.last then remove(m.dead, true) end
  return {now = now}
end

notice_gap()
local reply
if m.op == 'sync' then reply = sync()
elseif m.op == 'join' then reply = join()
elseif m.op == 'seed' then reply = seed()
elseif m.op == 'reap' then reply = reap()
elseif m.op == 'leave' then remove(m.i, false); reply = {now = now} end
return cjson.encode(reply)
