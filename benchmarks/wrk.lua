-- What wrk sends, one address after the other, and what it says in the end: a line of JSON.
-- Arguments after "--": a token, then the addresses.

local requests = {}
local sent = 0

function init(arguments)
  wrk.headers["Authorization"] = "Token " .. arguments[1]
  for index = 2, #arguments do
    requests[index - 1] = wrk.format("GET", arguments[index])
  end
end

function request()
  sent = sent + 1
  return requests[sent % #requests + 1]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"errors":%d,"mean":%.6f,"p50":%.6f,"p99":%.6f}\n',
    summary.requests, summary.duration / 1e6, failed,
    latency.mean / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6
  ))
end
