"""Reads the messages of a Messages API request, block by block.

Pictures, documents and texts are read as everywhere (`given/api_shapes.py`). What only Anthropic's models understand is
an `OpaquePart`: in an assistant's turn it is what they made, and is left out for others; in a user's turn it is what
was asked, so no other target is asked then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from ...failures import StreamMisused
from ...given.api_shapes import split_results
from ...messages import Message, to_messages
from ...providers.anthropic.server_tools import caller_in
from ..refused import Refused
from .proofs import CLAUDE, Proof, unwrapped

__all__ = ["BLOCKS", "read_messages", "system_message"]

Block: TypeAlias = dict[str, Any]


class Turn:
    """Collects one message while it is read. said: its content, where that is a text alone. only_here: it has content
    that only Anthropic's models can be asked about."""

    def __init__(self, role: str, place: str, signed_calls: Mapping[str, Proof]) -> None:
        self.role = role
        self.place = place
        self.signed_calls = signed_calls
        self.said = ""
        self.parts: list[Block] = []
        self.calls: list[Block] = []
        self.results: list[Block] = []
        self.only_here = False

    def read(self, block: Any, place: str) -> None:
        """Add one block."""
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str):
            raise Refused(f"{place}.type: a content block needs a type", place)
        if kind == "text" and not isinstance(block.get("citations"), list | None):
            raise Refused(f"{place}.citations: give a list", f"{place}.citations")
        read = BLOCKS.get(kind, Turn.opaque) if not block.get("toolset_name") else Turn.opaque
        read(self, block)

    # -- one function for each type of block --------------------------------------------------

    def plain(self, block: Block) -> None:
        """Add a block that is read as everywhere."""
        self.parts.append(block)

    def text(self, block: Block) -> None:
        """Add a text, without the citations that another provider's sources were written as."""
        cited = [each for each in block.get("citations") or () if not _is_foreign(each)]
        plain = {name: value for name, value in block.items() if name != "citations"}
        self.parts.append({**plain, "citations": cited, "cited_by": "anthropic"} if cited else plain)

    def document(self, block: Block) -> None:
        """Add a document; one that is described, or made of blocks, can only be sent as it is."""
        source = block.get("source")
        if block.get("context") or (isinstance(source, dict) and source.get("type") == "content"):
            self.opaque(block)
        else:
            self.parts.append({name: value for name, value in block.items() if name != "context"})

    def thinking(self, block: Block) -> None:
        """Add a thought with its proof. One without any proves nothing, and would be refused by who gets it."""
        signature = block.get("signature")
        if not isinstance(signature, str) or not signature:
            return
        proof = unwrapped(signature)
        if proof is None:
            proof = Proof(CLAUDE, signature)
        if proof.target:
            text = {"type": "reasoning", "text": block.get("thinking") or ""}
            self.parts.append({**text, "signature": proof.signature, "signed_by": proof.target})

    def hidden_thinking(self, block: Block) -> None:
        """Add a thought in its provider's encrypted form; the proof of a call is added to the call."""
        data = block.get("data")
        proof = unwrapped(data) if isinstance(data, str) else None
        if proof is None:
            proof = Proof(CLAUDE, redacted=data)
        if proof.target and proof.call is None:
            self.parts.append({"type": "reasoning", "redacted": proof.redacted, "signed_by": proof.target})

    def call(self, block: Block) -> None:
        """Add a tool call."""
        _refuse_unknown(block, ("id", "name", "input", "caller", "cache_control"), self.place)
        id = block.get("id")
        call = {"id": id, "name": block.get("name"), "arguments": block.get("input"), "place": len(self.parts)}
        proof = self.signed_calls.get(id) if isinstance(id, str) else None
        if (caller := caller_in(block)) is not None:
            proof = Proof(CLAUDE, caller)
        signed = {} if proof is None else {"signature": proof.signature, "signed_by": proof.target}
        self.calls.append({**call, **signed, "cache_control": block.get("cache_control")})

    def result(self, block: Block) -> None:
        """Add the result of a tool call, which is a message of its own."""
        _refuse_unknown(block, ("tool_use_id", "content", "is_error", "cache_control"), self.place)
        (made,) = split_results([{"role": "user", "content": [block]}])
        content = made["content"]
        if isinstance(content, list):
            inner = Turn("user", self.place, {})
            for number, each in enumerate(content):
                inner.read(each, f"{self.place}.content[{number}]")
            self.only_here = self.only_here or inner.only_here
            content = inner.parts
        self.results.append({**made, "content": content or ""})

    def opaque(self, block: Block) -> None:
        """Add a block that only Anthropic's models understand."""
        self.parts.append({"type": "opaque", "provider": "anthropic", "data": block})
        self.only_here = self.only_here or self.role != "assistant"

    # -- the messages that it is --------------------------------------------------------------

    def messages(self) -> Iterator[Block]:
        """Yield the results, each as a message, then the rest."""
        yield from self.results
        if not self.results or self.parts or self.calls:
            end = len(self.parts)
            calls = [call | {"place": None} if call["place"] == end else call for call in self.calls]
            yield {"role": self.role, "content": self.said or self.parts, **({"tool_calls": calls} if calls else {})}


BLOCKS: Mapping[str, Callable[[Turn, Block], None]] = {
    "text": Turn.text,
    "image": Turn.plain,
    "document": Turn.document,
    "thinking": Turn.thinking,
    "redacted_thinking": Turn.hidden_thinking,
    "tool_use": Turn.call,
    "tool_result": Turn.result,
}
"""The types of blocks that are not only Anthropic's."""

_ROLES = ("user", "assistant", "system")


def read_messages(given: Any) -> tuple[list[Message], bool]:
    """Return the messages, and whether only Anthropic's models can be asked. Raises Refused, StreamMisused."""
    if not isinstance(given, list) or not given:
        raise Refused("messages: give a list of at least one message", "messages")
    made: list[Message] = []
    only_here = False
    for number, each in enumerate(given):
        turn = _turn(each, f"messages[{number}]")
        only_here = only_here or turn.only_here
        made += [_message(fields, turn.place) for fields in turn.messages()]
    return made, only_here


def system_message(given: Any) -> list[Message]:
    """Return the system prompt, a text or blocks of text, as a message; none for an empty one."""
    if given in (None, "", []):
        return []
    if isinstance(given, list) and not all(isinstance(block, dict) and block.get("type") == "text" for block in given):
        raise Refused("system: its blocks are of type text", "system")
    return [_message({"role": "system", "content": given}, "system")]


def _turn(given: Any, place: str) -> Turn:
    if not isinstance(given, dict) or given.get("role") not in _ROLES:
        raise Refused(f"{place}.role: give one of {', '.join(_ROLES)}", f"{place}.role")
    _refuse_unknown(given, ("role", "content"), place)
    content = given.get("content")
    if not isinstance(content, str | list):
        raise Refused(f"{place}.content: give a text or a list of blocks", f"{place}.content")
    blocks = content if isinstance(content, list) else []
    turn = Turn(given["role"], place, dict(_signed_calls(blocks)))
    if isinstance(content, str):
        turn.said = content
    for number, block in enumerate(blocks):
        turn.read(block, f"{place}.content[{number}]")
    return turn


def _signed_calls(blocks: list[Any]) -> Iterator[tuple[str, Proof]]:
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "redacted_thinking" and isinstance(block.get("data"), str):
            proof = unwrapped(block["data"])
            if proof is not None and proof.call is not None:
                yield proof.call, proof


def _message(fields: Block, place: str) -> Message:
    try:
        return to_messages([fields])[0]
    except StreamMisused as error:
        raise StreamMisused(str(error).replace("messages[0]", place)) from None


def _refuse_unknown(block: Mapping[str, Any], names: tuple[str, ...], place: str) -> None:
    """Raise Refused for a field that has no place in a message, and would be lost."""
    for name, value in block.items():
        if name not in names and name != "type" and value not in (None, False, [], {}, ""):
            raise Refused(f"{place}.{name[:40]}: not a known field", place)


def _is_foreign(citation: Any) -> bool:
    """Return whether this is another provider's source, which has no index that Anthropic could read."""
    return isinstance(citation, dict) and citation.get("encrypted_index") == ""
