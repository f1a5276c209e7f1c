// A page's chat, as `useChat` has it, with the npm package `ai`, given by its folder. It is answered with the stream on
// standard input, twice. Prints what the page sent, and how its chat stands.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
const main = about.exports["."].import?.default ?? about.exports["."].import ?? about.exports["."].default;
const { AbstractChat, DefaultChatTransport } = await import(pathToFileURL(join(folder, main)).href);

class State {
  status = "ready";
  error = undefined;
  messages = [];
  pushMessage = (message) => void this.messages.push(message);
  popMessage = () => void this.messages.pop();
  replaceMessage = (at, message) => void (this.messages[at] = structuredClone(message));
  snapshot = (value) => structuredClone(value);
}
class Chat extends AbstractChat {
  constructor(init) {
    super({ ...init, state: new State() });
  }
}

const body = readFileSync(0);
const sent = [];
async function fetch(url, request) {
  sent.push(request.body);
  return new Response(body, { headers: { "x-vercel-ai-ui-message-stream": "v1" } });
}
const errors = [];
const finished = [];
const chat = new Chat({
  id: "chat1",
  transport: new DefaultChatTransport({ api: "http://page.test/api/chat", fetch, body: { session: "s1" } }),
  onError: (error) => errors.push(error.message),
  onFinish: ({ isAbort, isError, finishReason }) => finished.push({ isAbort, isError, finishReason }),
});
await chat.sendMessage({ text: "What is 1 + 1?" });
const first = chat.status;
await chat.sendMessage({ text: "And 2 + 2?" });
console.log(JSON.stringify({ sent, errors, finished, first, status: chat.status, messages: chat.messages }));
