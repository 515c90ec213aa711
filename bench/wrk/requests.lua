-- Makes the requests of one load; prints what came of them as one line of JSON.
--
-- arguments: kind (hit | walk | get), target, sites, visitors, pages, tag that the client knows, pause in ms, first
--
-- hit: visitors, pages and sites at random; walk: one after the other, from `first` on, each visitor on a page of its
-- own; get: the target, again and again.

local kind, target, sites, visitors, pages, known, pause, first
local sent = 0
local heads, asked
local threads = {}

local AGENTS = {
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36',
}

function setup(thread)
  thread:set('number', #threads)
  threads[#threads + 1] = thread
end

function init(arguments)
  kind, target = arguments[1], arguments[2]
  sites, visitors, pages = tonumber(arguments[3]), tonumber(arguments[4]), tonumber(arguments[5])
  known, pause, first = arguments[6], tonumber(arguments[7]), tonumber(arguments[8])
  math.randomseed(4711 + number)
  refused = 0
end

-- Each visitor has an address of its own; the addresses are spread as those of real people are.
local function address(visitor)
  local spread = (visitor * 40503) % 16777216
  return string.format('%d.%d.%d.%d', 11 + visitor % 80, math.floor(spread / 65536), math.floor(spread / 256) % 256, spread % 256)
end

-- All of a request before the address; putting it together anew would take this core longer than the rest.
local function head_of(agent)
  local head = wrk.format('POST', target, {
    ['Content-Type'] = 'text/plain;charset=UTF-8',
    ['User-Agent'] = agent,
    ['Accept'] = '*/*',
    ['Accept-Language'] = 'vi-VN,vi;q=0.9,en;q=0.8',
    ['Accept-Encoding'] = 'gzip, deflate, br',
    ['Origin'] = 'https://portal.example',
    ['Referer'] = 'https://portal.example/',
  })
  return string.sub(head, 1, -3) .. 'X-Forwarded-For: '
end

local function hit()
  local walks = kind == 'walk'
  local visitor = walks and (first + sent) % visitors or math.random(0, visitors - 1)
  local site = sites == 1 and 'bench' or 'bench-' .. (walks and (first + sent) % sites or math.random(0, sites - 1))
  local path = '/tin-tuc/bai-viet-' .. (walks and (first + sent) % pages or math.random(1, pages))
  local body = '{"site":"' .. site .. '","path":"' .. path .. '"}'
  local head = heads[visitor % #heads + 1]
  return head .. address(visitor) .. '\r\nContent-Length: ' .. #body .. '\r\n\r\n' .. body
end

function request()
  sent = sent + 1
  if kind == 'get' then
    asked = asked or wrk.format('GET', target, {['If-None-Match'] = known ~= '-' and known or nil})
    return asked
  end
  if not heads then
    heads = {}
    for i, agent in ipairs(AGENTS) do heads[i] = head_of(agent) end
  end
  return hit()
end

function delay()
  return pause > 0 and math.random(0, 2 * pause) or 0
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "failed": %d, "refused": %d, "p50_us": %d, "p99_us": %d}',
    summary.requests, summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.timeout,
    errors.status, latency:percentile(50), latency:percentile(99)
  ))
end
