// Runs one operation with a real client and prints one JSON line for each thing that happens.
// node run.js ws|sse URL '{"query":"…","variables":{…},"key":"…","first":3}'
// Ends after `first` results, when the operation completes, or when the client gives up.
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

const [transport, url, text] = process.argv.slice(2);
const { query, variables, key, first = Infinity } = JSON.parse(text);
const authorization = key === undefined ? undefined : `Bearer ${key}`;
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');

const client =
  transport === 'ws'
    ? createWs({
        url: url.replace('http', 'ws'),
        webSocketImpl: WebSocket,
        connectionParams: authorization && { authorization },
        retryAttempts: 0,
        on: { connected: () => say({ connected: true }) },
      })
    : createSse({ url, headers: authorization && { authorization }, retryAttempts: 0 });

let count = 0;
await new Promise((resolve) => {
  const dispose = client.subscribe(
    { query, variables },
    {
      next: (value) => {
        say({ next: value });
        count += 1;
        if (count >= first) {
          dispose();
          resolve();
        }
      },
      error: (error) => {
        // A CloseEvent of the socket, a NetworkError with its response, or the errors of the operation.
        const text = Array.isArray(error) ? JSON.stringify(error) : String(error.message ?? error);
        say({ error: { code: error.code, reason: error.reason, status: error.response?.status, text } });
        resolve();
      },
      complete: () => {
        say({ complete: true });
        resolve();
      },
    },
  );
});
await client.dispose();
