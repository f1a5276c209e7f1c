"""Holds the Lua that the functions inside Redis have in common: how they read the time and numbers, and how a pool is
claimed.

Times are microseconds, by Redis's own clock, since those of machines differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..fleet.pool import LONGEST_LEASE, MOST, PERIOD_LASTS, SPARE, Claim, Share
from .redis import Misread

__all__ = ["CLAIMED", "PRELUDE", "called", "claimed_with", "numbers_of", "share_of"]


PRELUDE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function number(value, least, most)
  local read = tonumber(value)
  if not read or read ~= read then return least end
  return math.max(least, math.min(most, read))
end
local function text(value) return string.format('%.17g', value) end
local a = {}
for place, value in ipairs(ARGV) do a[place] = tonumber(value) end
"""
"""What each function begins with. number: a value that was read, within bounds; a: the arguments as numbers."""

CLAIMED = f"""
local MOST, LONGEST = {MOST}, {LONGEST_LEASE * 1e6:.0f}
local function whole(value) return string.format('%.0f', value) end
local function lease(said)
  local turn, held, ends, limit = string.match(said or '', '^(%d+):(%d+):(%d+):(%d+)$')
  ends = number(ends, 0, MOST)
  if ends <= now or ends > now + LONGEST then return 0, 0, 0 end
  return number(turn, 0, MOST), number(held, 0, MOST), ends, number(limit, 1, MOST)
end
local function looked_over(leases)
  local all, due, least, dead, each = 0, now + LONGEST, MOST, {{}}, redis.call('HGETALL', leases)
  for place = 1, #each, 2 do
    if #each[place] > 1 then
      local _, held, ends, limit = lease(each[place + 1])
      if ends == 0 then dead[#dead + 1] = each[place]
      else all, due, least = all + held, math.min(due, ends), math.min(least, limit) end
    end
  end
  for first = 1, #dead, 1000 do redis.call('HDEL', leases, unpack(dead, first, math.min(first + 999, #dead))) end
  return all, due, least
end
local function spending(counted, spender, used)
  local kept = redis.call('HMGET', counted, 'n', spender)
  local all, before = number(kept[1], 0, MOST), number(kept[2], 0, MOST)
  if used > before then
    all = all + used - before
    redis.call('HSET', counted, 'n', whole(all), spender, whole(used))
    redis.call('PEXPIRE', counted, '{PERIOD_LASTS * 1e3:.0f}')
  end
  return all
end
local function claimed(leases, counted, at)
  local process, turn, limit, lasts, held = ARGV[at], a[at + 1], a[at + 2], math.min(a[at + 3], LONGEST), a[at + 4]
  local least, need, most, waits = a[at + 5], a[at + 6], a[at + 7], math.min(a[at + 8], LONGEST)
  local kept = redis.call('HMGET', leases, 'n', 'x', 'q', 'u', 'm', process)
  local all, due, follows = number(kept[1], 0, MOST), number(kept[2], 0, now + LONGEST), kept[3]
  local others_turn = follows and follows ~= process and number(kept[4], 0, now + LONGEST) > now
  local smallest = number(kept[5] or MOST, 1, MOST)
  if due <= now then all, due, smallest = looked_over(leases) end
  smallest = math.min(smallest, limit)
  local used = counted and spending(counted, ARGV[at + 10], a[at + 9]) or 0
  local said, had = lease(kept[6])
  local granted = 0
  if turn <= said then
    held = had
  else
    all = math.max(0, all - had) + held
    local room = (counted and limit or smallest) - used - all
    if least > 0 and room - (others_turn and 1 or 0) > 0 then
      granted = math.max(least, math.min(need, room), math.min(most, math.floor(room / {SPARE})))
    end
    if granted == 0 and waits > 0 and not others_turn then
      follows = process
      redis.call('HSET', leases, 'q', process, 'u', whole(now + waits))
    elseif follows == process then
      follows = false
      redis.call('HDEL', leases, 'q', 'u')
    end
    held, all = held + granted, all + granted
    local mine = whole(turn) .. ':' .. whole(held) .. ':' .. whole(now + lasts) .. ':' .. whole(limit)
    redis.call('HSET', leases, 'n', whole(all), 'x', whole(math.min(due, now + lasts)), 'm', whole(smallest),
               process, mine)
    redis.call('PEXPIRE', leases, '{LONGEST_LEASE * 1e3:.0f}')
  end
  return {{whole(held), whole(all), whole(used), whole(granted), follows == process and '1' or '0'}}
end
"""
"""The twin of `fleet.pool.Pool`: a hash with a field for each process (the number of its claim, what it holds, until
when, by which limit), their sum `n`, the smallest limit `m`, the time `x` before which none of them ends, and who is
next `q` until `u`. Only when that time
has come are all of them looked at. What was used up is in a second hash, `counted`, if it is not false. The arguments
begin at `at`.
"""


async def called(client: Any, script: str, sha: str, names: Sequence[str], values: Sequence[str | bytes]) -> Any:
    """Call a function, and send it along where Redis does not know it yet."""
    try:
        return await client.evalsha(sha, len(names), *names, *values)
    except Exception as error:
        if type(error).__name__ != "NoScriptError":  # the packages redis and valkey both have this name
            raise
        return await client.eval(script, len(names), *names, *values)


def numbers_of(reply: Any, count: int) -> tuple[float, ...]:
    """Return an answer of so many finite numbers. Raises Misread for anything else."""
    try:
        numbers = tuple(map(float, reply))
    except (TypeError, ValueError) as error:
        raise Misread("an answer of another form") from error
    if len(numbers) != count:
        raise Misread("an answer of another length")
    if not all(map(math.isfinite, numbers)):
        raise Misread("a number that is none")
    return numbers


def claimed_with(claim: Claim) -> list[str]:
    """Return a claim as the function takes it."""
    numbers = (
        claim.turn, claim.limit, claim.lasts * 1e6, claim.held, claim.least, claim.need, claim.most, claim.waits * 1e6,
        claim.used,
    )  # fmt: skip
    return [claim.process, *(str(_whole(number)) for number in numbers), claim.spender]


def share_of(numbers: Sequence[float]) -> Share:
    """Return the answer to a claim, with each number within its bounds."""
    held, by_all, used, granted, is_next = map(_whole, numbers)
    return Share(held, by_all, used, granted, is_next == 1)


def _whole(number: float) -> int:
    return int(max(0, min(MOST, number)))
