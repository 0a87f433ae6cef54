-- A POST of 20 KB.
wrk.method = "POST"
wrk.body = string.rep("x", 20480)
wrk.headers["Content-Type"] = "application/octet-stream"
