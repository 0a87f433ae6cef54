-- The cookie of one of as many sessions as the argument says, in an order that jumps all over the store.
local count, number

function init(args)
  count = tonumber(args[1])
  math.randomseed(os.time() + os.clock() * 1e6)
  number = math.random(count) - 1
end

function request()
  number = (number + 7919) % count
  return wrk.format(nil, nil, { Host = wrk.host .. ":" .. wrk.port, Cookie = string.format("session=%043d", number) })
end
