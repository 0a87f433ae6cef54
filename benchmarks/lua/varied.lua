-- What a browser sends, with 4,999 targets and 997 cookies in turn: no head repeats within 4.9 million requests.
-- The path of the URL is what each target begins with, such as /v/.
local targets, cookies = {}, {}
local number, tail

function init(args)
  for i = 1, 4999 do
    targets[i] = "GET " .. wrk.path .. "articles/" .. (i * 7919 % 4999) .. "?page=" .. (i % 37)
      .. "&sort=date HTTP/1.1\r\nHost: "
      .. wrk.host .. ":" .. wrk.port .. "\r\nCookie: session="
  end
  for i = 1, 997 do cookies[i] = string.format("%08x%08x", i * 2654435, i * 40503) .. "; theme=dark; lang=en" end
  tail = table.concat({
    "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Connection: keep-alive",
    "Referer: http://example.org/articles",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Priority: u=0, i", "", ""}, "\r\n")
  number = 0
end

function request()
  number = number + 1
  return targets[number % 4999 + 1] .. cookies[number % 997 + 1] .. tail
end
