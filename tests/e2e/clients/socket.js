// The graphql-ws client on a string: commands come in as JSON lines, what happens to it goes out as JSON lines.
// node socket.js URL
// The first line is what the client is made with: {"connectionParams":{…},"retryAttempts":5}
// Commands: {"subscribe":{"id","query","variables","resume"}}  {"dispose":id}  {"ping":payload}  {"send":"raw text"}
//           {"terminate":true} (drops the connection without a word)  {"end":true}
// With `resume` a subscription of `events` asks, whenever the client reconnects, for what comes after its last cursor.
import { createInterface } from 'node:readline';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const options = JSON.parse((await lines.next()).value);
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');
let socket;

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  lazy: false,
  retryAttempts: 0,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
  shouldRetry: () => true,
  onNonLazyError: () => {},
  ...options,
  on: {
    opened: (opened) => (socket = opened),
    connected: () => say({ connected: true }),
    pong: (received, payload) => received && say({ pong: payload ?? null }),
    closed: (event) => say({ closed: event.code ?? null, reason: event.reason ?? String(event.message) }),
  },
});

const disposers = new Map();

function subscribe({ id, query, variables, resume }) {
  let cursor;
  const asked = {
    query,
    get variables() {
      return resume && cursor ? { ...variables, after: cursor } : variables;
    },
  };
  const dispose = client.subscribe(asked, {
    next: (value) => {
      cursor = value.data?.events?.cursor ?? cursor;
      say({ next: value, id });
    },
    error: (error) => say({ error: Array.isArray(error) ? error : { code: error.code ?? null }, id }),
    complete: () => say({ complete: true, id }),
  });
  disposers.set(id, dispose);
}

for await (const line of lines) {
  const command = JSON.parse(line);
  if (command.subscribe) subscribe(command.subscribe);
  if ('dispose' in command) disposers.get(command.dispose)();
  if ('ping' in command) socket.send(JSON.stringify({ type: 'ping', payload: command.ping }));
  if (command.send !== undefined) socket.send(command.send);
  if (command.terminate) socket.terminate();
  if (command.end) break;
}
await client.dispose();
process.exit(0);
