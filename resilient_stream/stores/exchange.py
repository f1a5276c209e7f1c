"""Exchanges what processes share of a target in Redis, by one function in Lua that nothing of another process comes
between.

It is the twin of `fleet.board.Board`, by Redis's own clock, since those of machines differ. The keys of a target carry
its digest in braces, so a cluster keeps them on one node. Each write says when the key may be forgotten.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ..fleet.board import LONGEST_DEBT, News, View
from ..fleet.bucket import CLOSE, LONGEST, Cost
from ..fleet.circuit import Standing
from ..fleet.window import SLOTS
from .lua import CLAIMED, PRELUDE, called, claimed_with, numbers_of, share_of

__all__ = ["SCRIPT", "SHA", "arguments", "exchanged", "keys", "view_of"]

MANY = 1e15
"""What stands for infinity: Redis is sent numbers only."""

MOST_COUNTED, MOST_TRIPS, LONGEST_OPEN = 10**9, 64, 86_400.0
"""What a number read back is at most: calls, openings in a row, seconds."""

SCRIPT = f"""{PRELUDE}{CLAIMED}
local process, limits, places = ARGV[20], a[23] == 1 and KEYS[2], a[24] == 1 and KEYS[#KEYS]

local names = {{'v', 'o', 'u', 't', 'w', 'p', 'q'}}
for slot = 0, {SLOTS - 1} do names[#names + 1] = 's' .. slot end
local kept = redis.call('HMGET', KEYS[1], unpack(names))
local version, opened = number(kept[1], 0, 9e15), kept[2] == '1'
local till, trips = number(kept[3], 0, now + {LONGEST_OPEN * 1e6:.0f}), number(kept[4], 0, {MOST_TRIPS})
local well, tester, tested = number(kept[5], 0, now), kept[7], number(kept[6], 0, now + {LONGEST_OPEN * 1e6:.0f})
if version == 0 then opened, till, trips, well = false, 0, 0, now end
local slot, changed = math.floor(now * {SLOTS} / a[1]), {{}}
local calls, failures, old = 0, 0, {{}}
for place = 0, {SLOTS - 1} do
  local which, some, bad = string.match(kept[8 + place] or '', '^(%d+):(%d+):(%d+)$')
  which = tonumber(which)
  some, bad = number(some, 0, {MOST_COUNTED}), number(bad, 0, {MOST_COUNTED})
  if not which or which > slot or which <= slot - {SLOTS} then some, bad = 0, 0 end
  if a[2] == version and place == slot % {SLOTS} and a[3] + a[4] > 0 then
    some, bad = some + a[3], bad + a[4]
    changed[#changed + 1] = 's' .. place
    changed[#changed + 1] = string.format('%.0f:%.0f:%.0f', slot, some, bad)
  end
  old[#old + 1] = 's' .. place
  calls, failures = calls + some, failures + bad
end
if a[2] == version and a[5] >= 0 then
  version, opened, till, trips, well = math.max(version + 1, now), a[5] == 1, now + a[6], a[7], now - a[8]
  tester, tested = false, 0
  if not opened then
    redis.call('HDEL', KEYS[1], unpack(old))
    calls, failures, changed = 0, 0, {{}}
  end
  for name, value in pairs({{v = text(version), o = opened and '1' or '0', u = text(till), t = text(trips),
                           w = text(well)}}) do
    changed[#changed + 1] = name
    changed[#changed + 1] = value
  end
  redis.call('HDEL', KEYS[1], 'p', 'q')
end
if a[10] == 1 and tester == process then
  redis.call('HDEL', KEYS[1], 'p', 'q')
  tester, tested = false, 0
end
local granted = 0
if a[9] > 0 and a[2] == version and till <= now and (not tester or tester == process or tested <= now) then
  granted = 1
  for name, value in pairs({{p = text(now + a[9]), q = process}}) do
    changed[#changed + 1] = name
    changed[#changed + 1] = value
  end
end
if #changed > 0 then
  redis.call('HSET', KEYS[1], unpack(changed))
  local lasts = math.max(0, till - now) + 2 * a[1] * (1 + trips) + a[9]
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(lasts / 1000)))
end

local wait, held, full, left, asked = 0, now, {{}}, {{0, 0}}, a[13] > 0 or a[14] > 0
if limits then
  local found = redis.call('HMGET', limits, 'r', 't', 'h')
  held = math.max(number(found[3], 0, now + {LONGEST * 1e6:.0f}), now + a[19])
  wait = held - now
  for place = 1, 2 do
    local rate, holds, take = a[10 + place], a[20 + place], a[12 + place]
    full[place] = now
    if rate > 0 then
      local due = math.max(number(found[place], 0, 9e15), now) - a[14 + place] / rate
      due = math.max(due, now, now + math.max(0, holds - a[16 + place]) / rate)
      full[place] = math.min(due, now + {LONGEST_DEBT * 1e6:.0f})
      local needed = math.min(take, holds)
      local missing = needed - (holds - (full[place] - now) * rate)
      if missing > needed * {CLOSE!r} then wait = math.max(wait, missing / rate) end
    end
  end
end
if not asked then wait = 0 end
local share, goes = {{'0', '0', '0', '0', '0'}}, wait == 0
if places then
  if not goes then a[30], a[33] = 0, 0 end
  share = claimed(places, false, 25)
  goes = goes and (a[30] == 0 or share[4] ~= '0')
end
if limits then
  for place = 1, 2 do
    local rate, holds, take = a[10 + place], a[20 + place], a[12 + place]
    if rate > 0 then
      if asked and goes then full[place] = full[place] + take / rate end
      left[place] = holds - math.max(0, full[place] - now) * rate
    end
  end
  redis.call('HSET', limits, 'r', text(full[1]), 't', text(full[2]), 'h', text(held))
  local lasts = math.max(full[1], full[2], held) - now + 1000000
  redis.call('PEXPIRE', limits, string.format('%.0f', math.ceil(lasts / 1000)))
end
return table.concat({{text(version), opened and '1' or '0', text(math.max(0, till - now)), text(trips),
        text(now - well), text(calls), text(failures), text(granted), text(wait), text(left[1]), text(left[2]),
        text(held - now), unpack(share)}}, ' ')
"""
"""The source of the function. Times are microseconds, and rates are for each of them. It answers with one text: a
client needs a quarter of an exchange's time to read as many numbers one by one."""

SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


async def exchanged(client: Any, prefix: str, news: News) -> View:
    """Call the function that exchanges news for a view. Raises Misread, and what the client raises."""
    return view_of(await called(client, SCRIPT, SHA, keys(prefix, news), arguments(news)))


def keys(prefix: str, news: News) -> list[str]:
    """Return the names of the circuit's key and, where there are limits and places, of theirs."""
    tag = f"{prefix}:fleet:{{{news.key}}}"
    limits = [f"{tag}:limits:{news.limits}"] if news.limits else []
    return [f"{tag}:circuit:{news.circuit}", *limits, *([f"{tag}:places:{news.places.pool}"] if news.places else ())]


def arguments(news: News) -> list[str]:
    """Return the news as the function takes them."""
    turn = news.turn
    told = (-1.0, 0.0, 0.0, 0.0) if turn is None else (turn.opened, turn.seconds * 1e6, turn.trips, turn.well * 1e6)
    rates = tuple(rate / 60e6 for rate in news.rates)
    numbers = (
        news.window * 1e6, news.version, news.calls, news.failures, *told, news.probe * 1e6, news.release,
        *rates, *news.take, *news.back, *news.left, news.hold * 1e6,
    )  # fmt: skip
    there = (bool(news.limits), news.places is not None)
    claim = [] if news.places is None else claimed_with(news.places)
    return [*map(_number, numbers), news.process, *map(_number, (*news.rates.holds(), *there)), *claim]


def _number(value: float) -> str:
    return repr(max(-MANY, min(MANY, float(value)))) if not isinstance(value, int) else str(int(value))


def view_of(reply: Any) -> View:
    """Return the answer as a view, with each number within its bounds. Raises Misread for anything else."""
    numbers = numbers_of(reply.split() if isinstance(reply, bytes | str) else (), 17)
    version, opened, seconds, trips, well, calls, failures, granted, wait, requests, tokens, hold, *share = numbers
    standing = Standing(
        opened == 1, _bounded(seconds / 1e6, LONGEST_OPEN), int(_bounded(trips, MOST_TRIPS)), _bounded(well / 1e6, MANY)
    )
    counts = (int(_bounded(calls, MOST_COUNTED)), int(_bounded(failures, MOST_COUNTED)))
    waits = _bounded(wait / 1e6, 2 * LONGEST_DEBT)
    return View(
        int(version), standing, *counts, granted == 1, waits, Cost(requests, tokens), _bounded(hold / 1e6, LONGEST),
        share_of(share),
    )  # fmt: skip


def _bounded(value: float, most: float) -> float:
    return max(0.0, min(most, value))
