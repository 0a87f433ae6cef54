-- The cookie of one of as many sessions as the argument says, in an order that jumps all over the store.
local count, number

function init(args)
  count, number = tonumber(args[1]), 0
end

function request()
  number = (number + 7919) % count
  return wrk.format(nil, nil, { Host = wrk.host .. ":" .. wrk.port, Cookie = string.format("session=%043d", number) })
end
