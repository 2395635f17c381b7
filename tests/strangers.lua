-- For wrk: pushes with a wrong password, DELAY milliseconds apart on each connection, and ends with how many a second were
-- refused, and how many answers said anything else.
wrk.method = "POST"
wrk.body = "{}"
wrk.headers["Authorization"] = "Basic Y2FsbGVyOmEgZ3Vlc3M="

local threads, pause = {}, tonumber(os.getenv("DELAY"))

function setup(thread)
  table.insert(threads, thread)
end

function init()
  refused, others = 0, 0
end

function delay()
  return pause
end

function response(status)
  if status == 401 or status == 429 then refused = refused + 1 else others = others + 1 end
end

function done(summary)
  local total, unexpected = 0, 0
  for _, thread in ipairs(threads) do
    total = total + thread:get("refused")
    unexpected = unexpected + thread:get("others")
  end
  io.write(string.format("REFUSED %f OTHERS %d\n", total / (summary.duration / 1e6), unexpected))
end
