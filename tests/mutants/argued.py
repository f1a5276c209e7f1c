"""Why a mutant that no test notices may live: by its file, the line that it took out, and the one that it put in."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ARGUED"]

SINCE = "A test was added that fails for it"
OBJECTS = "The tests of objects notice it; they were not asked in this run, and are since."

ARGUED: Mapping[tuple[str, str, str], str] = {
    (
        "engine/attempt.py",
        "if self.committed or (arriving and due > self._first_by):",
        "if self.committed or (arriving and due >= self._first_by):",
    ): "Where both clocks ring in the same instant the attempt ends then; only the name of the clock differs.",
    (
        "engine/middleware/recover.py",
        "return (same or alike or [0])[0]",
        "return (same or alike or [1])[0]",
    ): "Only a link of the user's that answers from a target which nobody named comes here; the place then decides "
    "no more than which target is asked first.",
    (
        "classify/pasted.py",
        'found = re.search(r"\\[Errno (\\d+)\\]", text)',
        'found = re.search(r"XX\\[Errno (\\d+)\\]XX", text)',
    ): f"{SINCE}: a sentence in another language has the number alone.",
    (
        "classify/unforeseen.py",
        'return replace(classify_response(status, {}, b""), code="unexpected")',
        'return replace(classify_response(status, {}, b"XXXX"), code="unexpected")',
    ): f"{SINCE}: an error status whose body is lost has no words.",
    (
        "engine/middleware/breaker.py",
        'return any(health.of(target).circuit.state(call.now()) != "open" for target in tuple(later)[1:])',
        'return any(health.of(target).circuit.state(None) != "open" for target in tuple(later)[1:])',
    ): f"{SINCE}: a limited target is waited for where the others rest.",
    (
        "engine/middleware/buffered.py",
        'self._call.emit(FellBack, name, name, reason, "buffered")',
        'self._call.emit(FellBack, name, None, reason, "buffered")',
    ): f"{SINCE}: the event names the same target twice.",
    (
        "engine/middleware/money.py",
        "purse = purses.of(budget.target, budget.limit, call.ledger)",
        "purse = purses.of(None, budget.limit, call.ledger)",
    ): f"{SINCE}: what another target costs is not of a target's budget.",
    (
        "engine/middleware/recover.py",
        'facts = {"reason": str(refusal)}',
        'facts = {"reason": str(None)}',
    ): f"{SINCE}: the attempt's message says where the answer differs.",
    (
        "engine/recovery/joins.py",
        'return "" if self._done else self._settle(True)',
        'return "" if self._done else self._settle(False)',
    ): f"{SINCE}: white space that was kept back is delivered at the end.",
    (
        "engine/recovery/starting_over.py",
        'return "preface"',
        'return "XXprefaceXX"',
    ): f"{SINCE}: the code of a refusal is compared.",
    (
        "engine/recovery/starting_over.py",
        'return "anew" if STARTS_OVER.match(reply) and _in_a_sentence(body, gap) else None',
        'return "ANEW" if STARTS_OVER.match(reply) and _in_a_sentence(body, gap) else None',
    ): f"{SINCE}: the code of a refusal is compared.",
    (
        "engine/recovery/starting_over.py",
        "return before == ours[: len(before)] and (word.startswith(last) if reply[-1].isalnum() else word == last)",
        "return before != ours[: len(before)] and (word.startswith(last) if reply[-1].isalnum() else word == last)",
    ): f"{SINCE}: more is waited for while a reply may be the same words.",
    (
        "engine/sharing.py",
        "asked = (member, probe, loop)",
        "asked = None",
    ): f"{SINCE}: those who ask about other targets ask for themselves.",
    (
        "engine/whole_body.py",
        "self._place = None",
        'self._place = ""',
    ): f"{SINCE}: the second long text of an answer is whole.",
    (
        "engine/middleware/checked.py",
        'error.gave_up = "attempts" if self._tries >= allowed else "budget"',
        'error.gave_up = "attempts" if self._tries >= allowed else "XXbudgetXX"',
    ): OBJECTS,
    (
        "engine/middleware/checked.py",
        "self._fall_back(target, rest, error)",
        "self._fall_back(target, rest, )",
    ): OBJECTS,
    (
        "engine/middleware/checked.py",
        "call, answering = self._call, self._call.answering",
        "call, answering = None",
    ): OBJECTS,
    (
        "engine/middleware/routed.py",
        "async with aclosing(call_next(replace(request, targets=targets, target=targets[0]), call)) as batches:",
        "async with aclosing(call_next(replace(request, targets=targets, ), call)) as batches:",
    ): "The next link asks `targets` one after another and sets `target` itself.",
    (
        "engine/middleware/routed.py",
        "async with aclosing(call_next(replace(request, targets=targets, target=targets[0]), call)) as batches:",
        "async with aclosing(call_next(replace(request, targets=targets, target=None), call)) as batches:",
    ): "The next link asks `targets` one after another and sets `target` itself.",
    (
        "engine/whole_body.py",
        'self._arrived = b""',
        'self._arrived = b"XXXX"',
    ): "A closed body is not read; the line only lets the answer's bytes go.",
    (
        "engine/draining.py",
        'logger.debug("an answer was not read on to its end: %s", type(error).__name__)',
        'logger.debug("XXan answer was not read on to its end: %sXX", type(error).__name__)',
    ): "The words of a line for debugging.",
    (
        "engine/middleware/fallback.py",
        "raise AllTargetsFailed.of(errors, untried=untried) from errors[-1]",
        "raise AllTargetsFailed.of(errors, untried=untried) from errors[+1]",
    ): f"{SINCE}: the cause of all failures is the last one.",
    (
        "engine/middleware/recover.py",
        'return "no target that is left can do what Recovery.methods names"',
        'return "NO TARGET THAT IS LEFT CAN DO WHAT RECOVERY.METHODS NAMES"',
    ): "The words of a message.",
}
