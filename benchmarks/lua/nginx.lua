-- What nginx sends as it is mostly set up, for as many different clients as the argument says, at random, each request
-- with an id of its own.
local count, before, number

function init(args)
  count = tonumber(args[1])
  math.randomseed(os.time() + os.clock() * 1e6)
  number = math.random(2147483647)
  before = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\nX-Real-IP: "
end

function request()
  local client = math.random(count) - 1
  local address = "11." .. math.floor(client / 65536) % 256 .. "." .. math.floor(client / 256) % 256 .. "."
    .. client % 256
  number = number + 1
  return before .. address .. "\r\nX-Forwarded-For: " .. address .. "\r\nX-Forwarded-Proto: https\r\nX-Request-ID: "
    .. string.format("%032x", number) .. "\r\nConnection: keep-alive\r\n\r\n"
end
