// Reads a UI message stream on standard input with the npm package `ai`, given by its folder, and prints what a page
// would have: the last state of the message, each error, and the parts that the package's own schema refused.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
const main = about.exports["."].import?.default ?? about.exports["."].import ?? about.exports["."].default;
const { parseJsonEventStream, readUIMessageStream, uiMessageChunkSchema, validateUIMessages } = await import(
  pathToFileURL(join(folder, main)).href
);

const body = readFileSync(0);
const pieces = new ReadableStream({
  start(controller) {
    for (let at = 0; at < body.length; at += 100) controller.enqueue(new Uint8Array(body.subarray(at, at + 100)));
    controller.close();
  },
});
const refused = [];
const types = [];
const checked = parseJsonEventStream({ stream: pieces, schema: uiMessageChunkSchema }).pipeThrough(
  new TransformStream({
    transform(part, controller) {
      if (!part.success) return void refused.push(String(part.error));
      types.push(part.value.type);
      controller.enqueue(part.value);
    },
  }),
);
const errors = [];
let message = null;
for await (const state of readUIMessageStream({ stream: checked, onError: (error) => errors.push(String(error)) })) {
  message = state;
}
let valid = null;
if (message !== null) {
  try {
    await validateUIMessages({ messages: [message] });
  } catch (error) {
    valid = String(error).slice(0, 2000);
  }
}
console.log(JSON.stringify({ version: about.version, refused, errors, types, message, invalid: valid }));
