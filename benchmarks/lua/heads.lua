-- What a browser sends, in as many different heads as the argument says: the target and the cookie have the number.
-- The first is one at random, so that a short run after another does not send the same few.
local count, number, before, between, tail

function init(args)
  count = tonumber(args[1])
  math.randomseed(os.time() + os.clock() * 1e6)
  number = math.random(count) - 1
  before = "GET " .. wrk.path
  between = "?sort=date HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\nCookie: session="
  tail = table.concat({
    "; theme=dark; lang=en",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Connection: keep-alive",
    "Sec-Fetch-Site: same-origin",
    "Priority: u=0, i", "", ""}, "\r\n")
end

function request()
  number = number % count + 1
  return before .. number .. between .. string.format("%032d", number) .. tail
end
