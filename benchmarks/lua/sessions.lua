-- The cookie of one of as many sessions as the argument says, in an order that jumps all over the store, the first one
-- at random. The number in the target does not repeat: heads that do would make few sessions cheaper than many.
local count, number, request_number

function init(args)
  count = tonumber(args[1])
  math.randomseed(os.time() + os.clock() * 1e6)
  number = math.random(count) - 1
  request_number = math.random(1e9)
end

function request()
  number = (number + 7919) % count
  request_number = request_number + 1
  local fields = { Host = wrk.host .. ":" .. wrk.port, Cookie = string.format("session=%043d", number) }
  return wrk.format(nil, wrk.path .. "?" .. request_number, fields)
end
