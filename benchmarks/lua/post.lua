-- A POST of as many bytes as the argument says, or 20 KB.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"

function init(args)
  wrk.body = string.rep("x", tonumber(args[1] or 20480))
end
