-- For wrk: posts the lines of the file RECORDS in turn, as the vendor does, and ends with one line of figures.
local bodies = {}
for line in io.lines(os.getenv("RECORDS")) do
  bodies[#bodies + 1] = wrk.format("POST", "/?action=cdr&version=1", {
    ["Content-Type"] = "application/json;charset=utf8",
    ["Host"] = "127.0.0.1",
  }, line)
end

local next_body = 0
function request()
  next_body = next_body % #bodies + 1
  return bodies[next_body]
end

function done(summary, latency)
  local refused = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout
  io.write(string.format(
    'FIGURES {"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000, refused))
end
