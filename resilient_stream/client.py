"""Defines `Client`, which has the targets, policies and connections that an application streams with.

A client can be made anywhere, also outside an event loop; the first one of a process loads aiohttp. It keeps no
stream alive: it only knows the calls that run, to end them in `aclose`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import operator
import os
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Unpack

from .call_options import (
    at_least,
    checked_messages,
    checked_targets,
    choice_of_tool,
    extra_fields,
    form_for_turns,
    form_of_output,
    headers_of_call,
    no_target,
    reasoning_effort,
    stop_texts,
    tools_of_call,
    tools_of_conversation,
)
from .contract import Middleware, Request, Transport
from .engine.call import Call, closed_error
from .engine.chain import reading_objects, standard_chain
from .engine.in_turns import end_in_turns
from .engine.settings import Settings
from .engine.slots import Slots
from .events import Observer, OnEvent
from .failures import StreamMisused
from .fleet.ledger import Ledger, MeanPrice, has_budget
from .given.checks import number, whole_text
from .messages import HostedTool, Message, Prompt, ToolLike, to_messages
from .options import Schema, StreamOptions, TurnOptions, checks_options, plain_function
from .outcome.transcript import Transcript
from .policy import Breaker, Hedge, Limits, Recovery, RetryBudget, RetryPolicy, Telemetry, Timeouts, given
from .scope import Scope
from .stream import Stream
from .target import Target
from .telemetry.reporter import Reporter
from .transport.outgoing import Outgoings

if TYPE_CHECKING:
    from decimal import Decimal

    import aiohttp

    from .conversation.approvals import Approve
    from .conversation.conversation import Conversation
    from .conversation.prompts import OnIncomplete
    from .conversation.toolbox import Outputs
    from .conversation.tools import ToolSource
    from .conversation.turns import ConversationRecord
    from .engine.draining import Draining, Drains
    from .engine.prices import PriceOf, Prices
    from .engine.reporting import Reporting
    from .engine.sharing import Sharing
    from .fleet.beginnings import Beginnings
    from .fleet.board import Store
    from .fleet.facts import Facts
    from .fleet.health import Health, TargetHealth
    from .fleet.routing import Router, Routing
    from .objects.form import Form

__all__ = ["Client"]


class Client:
    """Streams answers from the first of its targets that can give one.

    targets: "provider:model" strings or `Target`s, or a list of them; the first is tried first, the rest are fallbacks.
    retry, timeouts, recovery, limits: see `policy`, where the defaults are documented.
    middlewares: your own links, which run around every attempt (see `contract.Middleware`).
    on_event: called with each `events.Event` on the event loop; it must not block.
    session: an aiohttp session to use instead of our own, e.g. for a proxy; it is never closed here.
    record: a file to which every request and its answer are appended when they end, with keys masked. The target
    "replay:FILE" plays it back.
    telemetry: what OpenTelemetry is told, if the process has an SDK of it; see `Telemetry`.
    budget: how many retries may go to a failing target, over all calls of the process; see `RetryBudget`.
    breaker: keeps requests from targets that fail, see `Breaker`; without one each target is asked.
    hedge: asks the next target beside one that is slow to begin, see `Hedge`.
    routing: which target is asked first: "order" (as given), "weighted", "least_busy", "fastest", "cheapest", or a
    function that is given the targets and the health of each, and returns them in its order; see `fleet.routing`.
    prices: True computes the cost of each request when its call ends (the extra `prices`), for metrics and budgets; a
    function, given a target's name and a Usage, returns US dollars in place of the table. Without it, costs are
    computed when somebody asks for them.
    drain: seconds for which an answer is read on in the background that its caller has left (by a break, a close or a
    cancel), only to learn what it used; 0 closes it at once. Closing the client waits for that.
    store: where breakers, limits and budgets are shared with other clients and processes: `stores.RedisStore(url)`,
    or a `stores.MemoryStore()` for the clients of one process. It is told about once a second how the targets are,
    which `resilient-stream top` shows. It is yours to close.
    What the calls of the client used, wasted and cost is in its `ledger`, see `fleet.ledger`.
    Raises StreamMisused for a bad target or value.
    """

    def __init__(
        self,
        *targets: str | Target,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        recovery: Recovery | None = None,
        hedge: Hedge | None = None,
        breaker: Breaker | None = None,
        limits: Limits | None = None,
        budget: RetryBudget | None = None,
        routing: Routing = "order",
        prices: Literal[True] | PriceOf | None = None,
        store: Store | None = None,
        drain: float = 0.0,
        middlewares: Iterable[Middleware] = (),
        on_event: OnEvent | None = None,
        session: aiohttp.ClientSession | None = None,
        record: str | os.PathLike[str] | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        _settle_the_allocator()
        self._store = store
        self._sharing = None if store is None else _sharing(store)
        self.targets = checked_targets(targets)
        self.transport: Transport = Outgoings(session)
        self._reporter = Reporter(given("telemetry", telemetry, Telemetry()), weakref.WeakMethod(self._facts))
        self._observers: tuple[Callable[[Call], Observer | None], ...] = (self._reporter,)
        self._reporting = None if store is None else _reporting(store, self)
        if self._reporting is not None:
            self._observers += (self._reporting.observe,)
        if record is not None:
            self._record_to(record)
        self.slots = Slots(self._sharing)
        self.calls: set[Call] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.closed = False
        self.warned = False
        self._retry = given("retry", retry, RetryPolicy())
        self._health = None if breaker is None else self._health_by(given("breaker", breaker, Breaker()))
        self._hedge = None if hedge is None else given("hedge", hedge, Hedge())
        self._beginnings = _beginnings(self._hedge)
        self._budget = given("budget", budget, RetryBudget())
        self.prices = _prices(prices)
        self.priced = prices is not None
        self.ledger = _ledger(None if self.priced else self.prices.mean)
        if self._reporting is not None:
            self.ledger.tell = self._reporting.tally.spent
        self._router = None if routing == "order" else self._made_router(routing, breaker)
        self._recovery = given("recovery", recovery, Recovery())
        self._timeouts = given("timeouts", timeouts, Timeouts())
        self._limits = given("limits", limits, Limits())
        self._drains: Drains | None = None
        self._draining = self._read_on(drain)
        self._price_for_budgets(self.targets)
        self._on_event = on_event
        links = tuple(middlewares)
        self._own_links = bool(links)
        self._chain = standard_chain(links)
        self._latest_settings: tuple[tuple[Any, ...], Settings] | None = None

    @checks_options()
    def stream(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        tools: Iterable[ToolLike] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        output: Schema | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        top_k: int | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        seed: int | None = None,
        reasoning: str | int | None = None,
        user: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        to: str | Target | Sequence[str | Target] | None = None,
        deadline: float | None = None,
        timeouts: Timeouts | None = None,
        recovery: Recovery | None = None,
        drain: float | None = None,
        on_end: Callable[[Transcript], object] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Stream:
        """Ask the model, and return the stream of its answer. Nothing is sent before the first pull, and the clocks
        start there.

        prompt: a string, a Message, or a list of messages or dicts in OpenAI's chat shape. system: put in front.
        tools: Tool objects, functions (described, not called), HostedTools, or dicts in the shape of any API.
        tool_choice: auto, none, required, or a tool's name.
        output: what the answer has to be: a pydantic model, a dataclass, a TypedDict, list[Model], anything that
        pydantic's TypeAdapter takes, or a JSON schema. `transcript.output` is the object; `objects()` has it growing.
        max_tokens: output tokens at most. stop: one or more strings to stop at. seed: where a provider has one.
        reasoning: an effort ("low" …) or a budget in tokens, where the model reasons.
        top_k, presence_penalty, frequency_penalty, user: where a provider has them; one that has not is not asked.
        headers: of this call, over the target's.
        extra: merged into the provider's request body last, over everything else; a None there takes a field out.
        to: targets for this call, in place of the client's. deadline: seconds for everything, waits included.
        timeouts: over the client's and the targets'. recovery, drain: over the client's.
        on_end: called exactly once with the final transcript.
        metadata: yours; kept on the request for middlewares, never sent. `conversation_id` in it is told to telemetry.
        Raises StreamMisused for input that cannot be sent.
        """
        form = form_of_output(output)
        targets = checked_targets([to] if isinstance(to, str | Target) else to) if to is not None else self.targets
        if not targets:
            raise StreamMisused(no_target())
        if to is not None:
            self._price_for_budgets(targets)
        functions, hosted = tools_of_call(tools)
        request = Request(
            messages=checked_messages(prompt, system),
            target=targets[0],
            targets=targets,
            tools=functions,
            hosted=hosted,
            tool_choice=choice_of_tool(tool_choice),
            output=None if form is None else form.schema,
            max_tokens=number("max_tokens", max_tokens, 1),
            temperature=number("temperature", temperature, 0),
            top_p=number("top_p", top_p, 0),
            stop=stop_texts(stop),
            top_k=number("top_k", top_k, 1, whole=True),
            presence_penalty=number("presence_penalty", presence_penalty, None),
            frequency_penalty=number("frequency_penalty", frequency_penalty, None),
            seed=number("seed", seed, None, whole=True),
            reasoning=reasoning_effort(reasoning),
            user=None if user is None else whole_text("user", user),
            headers=headers_of_call(headers, targets) if headers is not None else {},
            extra=extra_fields(extra) if extra else {},
            metadata=metadata or {},
            max_event_bytes=self._limits.max_event_bytes,
        )
        read = form if form is not None and form.is_read else None
        settings = self._settings(targets, deadline, timeouts, recovery, on_end, read)
        if drain is not None:
            settings = dataclasses.replace(settings, drain=self._read_on(drain))
        chain = self._chain if read is None else reading_objects(self._chain)
        return Stream(Call(self, settings, request), chain)

    @checks_options(StreamOptions)
    async def complete(self, prompt: Prompt, **options: Unpack[StreamOptions]) -> Transcript:
        """Return the transcript of a whole answer, with options as for `stream`. Raises StreamError when it fails.

        An answer that is not what `output=` asks for is asked for anew, with the complaint, as often as RetryPolicy
        and the kind `model_output_invalid` allow.
        """
        async with self.stream(prompt, **options) as stream:
            if stream._call.settings.form is not None:
                stream._call.settings = dataclasses.replace(stream._call.settings, asks_again=True)
            return await stream.collect()

    @checks_options(TurnOptions)
    def converse(
        self,
        messages: Prompt,
        *,
        tools: Iterable[ToolSource | HostedTool] = (),
        outputs: Outputs = (),
        on_incomplete: OnIncomplete | None = None,
        approve: Approve | Mapping[str, Approve] | None = None,
        mcp: Iterable[Any] = (),
        max_turns: int = 10,
        max_prompts: int = 3,
        tool_timeout: float | None = 60.0,
        prompt_timeout: float | None = 300.0,
        on_end: Callable[[ConversationRecord], object] | None = None,
        **options: Unpack[TurnOptions],
    ) -> Conversation:
        """Run a conversation: the model's calls are answered by `tools` until it has finished.

        tools: functions, plain or async, whose annotated parameters are the schema; a Tool with its function as a
        pair; or a Tool alone, whose calls end the conversation and are `pending` for you to answer.
        outputs: pydantic models that the model must hand in, as a list or by name; the conversation is done when it
        has. output: in their place, what the last answer has to be, as for `stream`; it is asked for anew when it does
        not fit, at most twice, and no more than max_prompts times.
        on_incomplete: asked what to say when the model finishes without its outputs; None, from it or in its place,
        ends the conversation with an error that names what is missing.
        approve: asked with the `ToolCall` before a tool runs: True runs it, False or a reason refuses it and tells the
        model, a dict runs it with these arguments. A plain or async function for all tools, or a dict of them by the
        tool's name.
        mcp: MCP servers whose tools the model may use: an address, `{"command": …, "args": […]}`, `{"url": …,
        "headers": {…}}`, or what `mcp.Client` takes. They start at the first pull and are closed with the conversation.
        max_turns: answers of the model at most. max_prompts: how often on_incomplete is asked at most.
        tool_timeout, prompt_timeout: seconds for one call of a tool, and for one answer by on_incomplete or approve.
        on_end: called exactly once with the final record. options: as for `stream`, for every turn; the deadline
        is over everything, tools and prompts included.
        Raises StreamMisused for what cannot be sent, or not be offered as a tool.
        """
        from .conversation.conversation import Conversation
        from .conversation.final import Final
        from .conversation.mcp_servers import MCPServers
        from .conversation.prompts import Prompts
        from .conversation.toolbox import Toolbox
        from .conversation.turns import ConversationRecord

        turns = at_least("max_turns", max_turns, 1)
        most, patience = at_least("max_prompts", max_prompts, 0), at_least("prompt_timeout", prompt_timeout, 0)
        functions, hosted = tools_of_conversation(tools)
        toolbox = Toolbox(functions, outputs, at_least("tool_timeout", tool_timeout, 0), approve, patience)
        form = form_of_output(options.get("output"))
        options["output"] = None if form is None else form_for_turns(form)
        if form is not None and outputs:
            raise StreamMisused(
                "give either output=, for the last answer, or outputs=, which the model hands in one by one"
            )
        prompts = Prompts(on_incomplete, most, patience, toolbox.threads)

        def ask(history: list[Message], ended: Callable[[Transcript], object]) -> Stream:
            return self.stream(history, tools=(*toolbox.declared, *hosted), on_end=ended, **options)

        record = ConversationRecord(to_messages(messages))
        servers = MCPServers(mcp, self.tasks)
        if not servers:
            toolbox.check_approved()
        final = Final(form, most)
        told = (self._reporter.conversation,)
        return Conversation(self, record, ask, toolbox, prompts, turns, final, plain_function(on_end), servers, told)

    def scope(self, deadline: float | None = None) -> Scope:
        """Return a scope that owns every stream started from it, and closes them all when it is left.

        deadline: seconds from entering the scope, for everything in it.
        """
        return Scope(self.stream, deadline)

    def health(self) -> tuple[TargetHealth, ...]:
        """Return the health of the client's targets, and of others that its calls named, as `Breaker` sees it now.

        Without a breaker and routing nothing is observed, and each target is `closed`. `queued` is counted where there
        are limits.
        """
        return (self._health or self._health_by(Breaker())).all(self.targets, _now(), self.slots.busy())

    def _facts(self) -> Facts:
        """Return what gauges show of this client; it may be asked in any thread."""
        from .fleet.facts import facts_of  # loaded only by processes that collect metrics

        return facts_of(self.targets, self._health, self._limits, self._spent_of, self._store, _now())

    def _spent_of(self, target: str | None, budget: Decimal) -> Decimal:
        """Return what was spent today of a budget: by this process, or by all that share it, as it was told last."""
        if self._sharing is None:
            return self.ledger.today(target)
        from .fleet.purse import dollars  # loaded with the client's purses

        return dollars(self._sharing.purses.of(target, budget, self.ledger).known().spent)

    async def aclose(self) -> None:
        """End every running stream with ClientClosed, then close the connections. It may be called again.

        It waits for answers that are read on (`drain=`), each for its own time at most; cancelled, it closes them.
        """
        self.closed = True
        await end_in_turns([functools.partial(_end_with_the_client, call) for call in self.calls])
        if self._drains is not None:
            await self._drains.aclose()
        if self.tasks:
            await asyncio.wait(self.tasks)
        if self._reporting is not None:
            await self._reporting.aclose()
        if self._sharing is not None:
            await self._sharing.aclose()
        await self.transport.aclose()

    def __repr__(self) -> str:
        names = ", ".join(target.name for target in self.targets) or "no targets"
        running = f", {len(self.calls)} running" if self.calls else ""
        return f"<Client {names}{', closed' if self.closed else running}>"

    async def __aenter__(self) -> Client:
        if self._reporting is not None:
            self._reporting.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _read_on(self, seconds: float) -> Draining | None:
        """Return how long answers are read on that their callers leave; None where they are closed at once."""
        if not at_least("drain", seconds, 0):
            return None
        from .engine.draining import Draining, Drains  # loaded only by calls with drain=

        self._drains = self._drains or Drains()
        return Draining(self._drains, seconds)

    def _stop_reading_on(self) -> None:
        """Close at once what is read on in this loop."""
        if self._drains is not None:
            self._drains.cut()

    def _made_router(self, routing: Routing, breaker: Breaker | None) -> Router:
        """Return what puts targets in order. Their health is known with it, also where no breaker judges them."""
        from .fleet.routing import Router, checked

        how = checked(routing)
        if how == "cheapest":
            self.prices.load()
        self._health = self._health_by(breaker or Breaker(), judges=breaker is not None, rests=True)
        return Router(how, self._health, self.prices.compared)

    def _health_by(self, policy: Breaker, *, judges: bool = True, rests: bool = False) -> Health:
        """Return what is known of the targets' health: in this process, or in all that share a store."""
        from .fleet.health import Health  # loaded only with a breaker, or when somebody asks

        return Health(policy, judges=judges, rests=rests, make=None if self._sharing is None else self._sharing.patient)

    def _price_for_budgets(self, targets: Iterable[Target]) -> None:
        """Compute costs as calls end, where a budget goes by them. Raises StreamMisused where a price is not known."""
        for target in targets:
            if not has_budget(target, self._limits):
                continue
            self.prices.load()
            self.priced = True
            if self.prices.compared(target.name) is None:
                raise StreamMisused(
                    f"Limits.cost_per_day: no price is known for {target.name}; give a function: "
                    "Client(prices=lambda target, usage: …), which returns US dollars"
                )

    def _record_to(self, file: str | os.PathLike[str]) -> None:
        from .recording.recorder import Recorder, RecordingTransport

        recorder = Recorder(file)
        self.transport = RecordingTransport(self.transport, recorder)
        self._observers += (recorder.observe,)

    def _settings(
        self,
        targets: tuple[Target, ...],
        deadline: float | None,
        timeouts: Timeouts | None,
        recovery: Recovery | None,
        on_end: Callable[[Transcript], object] | None,
        form: Form | None,
    ) -> Settings:
        """Return what a call goes by: the same object as for the latest call, where it asks for the same."""
        asked = (targets, deadline, timeouts, recovery, on_end, form)
        if self._latest_settings is not None and all(map(operator.is_, self._latest_settings[0], asked)):
            return self._latest_settings[1]
        effective = given("timeouts", timeouts, self._timeouts)
        settings = Settings(
            retry=self._retry,
            budget=self._budget,
            recovery=given("recovery", recovery, self._recovery),
            timeouts=effective,
            limits=self._limits,
            own_timeouts=timeouts is not None,
            own_links=self._own_links,
            own_code=self._own_links or any(callable(target.api_key) for target in targets),
            form=form,
            health=self._health,
            hedge=self._hedge,
            beginnings=self._beginnings,
            router=self._router,
            sharing=self._sharing,
            drain=self._draining,
            deadline=at_least("deadline", deadline, 0) if deadline is not None else effective.total,
            on_end=plain_function(on_end),
            on_event=self._on_event,
            observers=self._observers,
        )
        self._latest_settings = None if on_end is not None or form is not None else (asked, settings)
        return settings


def _beginnings(hedge: Hedge | None) -> Beginnings | None:
    if hedge is None or not isinstance(hedge.after, str):
        return None
    from .fleet.beginnings import Beginnings  # loaded only by clients that learn when to hedge

    return Beginnings()


def _sharing(store: Any) -> Sharing:
    from .engine.sharing import Sharing, checked  # loaded only by clients with a store

    return Sharing(checked(store))


def _reporting(store: Any, client: Client) -> Reporting | None:
    from .engine.reporting import Reporting  # loaded only by clients with a store

    return Reporting(store, client.health, _now) if callable(getattr(store, "report", None)) else None


def _prices(prices: Any) -> Prices:
    """Return what gives the cost of requests; its table is loaded now where it will be needed for each call."""
    from .engine.prices import Prices

    if prices is not None and prices is not True and not callable(prices):
        raise StreamMisused("prices= takes True, or a function that is given a target's name and a Usage")
    made = Prices(prices if callable(prices) else None)
    if prices is not None:
        made.load()
    return made


def _ledger(mean: MeanPrice | None) -> Ledger:
    from .engine import spending  # noqa: F401  # what the end of a call needs

    return Ledger(mean)


def _now() -> float:
    """Return the time by which calls are measured: the running loop's, which is the system's monotonic clock."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


@functools.cache
def _settle_the_allocator() -> None:
    """Free one large block, once in a process.

    A network read asks for a buffer of 256 KiB. glibc takes such blocks from the system and gives them back each time,
    for 10 us a read, until it has seen a larger one freed: from then on it keeps them.
    """
    bytes(4 << 20)


def _end_with_the_client(call: Call) -> None:
    call.expire(closed_error("client_closed"), "client_closed")
