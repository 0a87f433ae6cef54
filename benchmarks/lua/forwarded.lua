-- What a proxy sends for as many different clients as the argument says, at random: nothing else differs.
local count, before, after

function init(args)
  count = tonumber(args[1])
  math.randomseed(os.time() + os.clock() * 1e6)
  before = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\nX-Forwarded-For: "
  after = "\r\nX-Forwarded-Proto: https\r\n\r\n"
end

function request()
  local client = math.random(count) - 1
  return before .. "11." .. math.floor(client / 65536) % 256 .. "." .. math.floor(client / 256) % 256 .. "."
    .. client % 256 .. after
end
