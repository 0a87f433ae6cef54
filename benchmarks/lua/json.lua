-- A POST of 1 KB of JSON: an order of 16 items. The number of the order differs from request to request.
local items, number = {}, 100000

function init(args)
  for i = 1, 16 do
    items[i] = string.format('{"article":"A-%05d","count":%d,"cents":%d,"gift":false}', i * 7919, i % 5 + 1, i * 137)
  end
  items = table.concat(items, ",") .. "]}"
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  number = number + 1
  if number == 1000000 then number = 100000 end
  return wrk.format(nil, nil, nil, '{"order":' .. number .. ',"customer":"Anna Example","items":[' .. items)
end
