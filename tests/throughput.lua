-- For wrk: posts the lines of the file RECORDS in turn, as the vendor does, and ends with one line of figures. No record
-- and no push is like another: RUN and a count take the place of the number in their names.
local before, after = {}, {}
for line in io.lines(os.getenv("RECORDS")) do
  local from, to = line:find("throughput%-%d+")
  before[#before + 1] = line:sub(1, from - 1)
  after[#after + 1] = line:sub(to + 1)
end

local run, count = tonumber(os.getenv("RUN")), 0
function request()
  count = count + 1
  local index = count % #before + 1
  local name = string.format("throughput-%03d%09d", run, count)
  return wrk.format("POST", "/?action=cdr&version=1", {
    ["Content-Type"] = "application/json;charset=utf8",
    ["Host"] = "127.0.0.1",
    ["X-TCCC-PUSH-UUID"] = name,
    ["Authorization"] = os.getenv("AUTHORIZATION"),
  }, before[index] .. name .. after[index])
end

function done(summary, latency)
  local refused = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout
  io.write(string.format(
    'FIGURES {"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000, refused))
end
