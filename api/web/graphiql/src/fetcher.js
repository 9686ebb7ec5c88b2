import { Kind, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { admitted, refused, say } from './connection.js';

const PATH = '/graphql';
const UNAUTHORIZED = 401;
const NORMAL = 1000;
const FORBIDDEN = 4403; // a close code of graphql-transport-ws: the server does not know the key
const WAITS_MS = [300, 600, 1_000, 2_000]; // the last one from then on
const ATTEMPTS = 150; // together five minutes

const ASKS_FOR_KEY = 'This server asks for its key. Under Headers, write {"Authorization": "Bearer <key>"} and run again.';

/** GraphiQL's fetcher: a socket for subscriptions, HTTP for all else, both on the page's own origin. */
export function fetcher(request, { headers = {} } = {}) {
  const operation = chosen(request);
  const named = { ...request, operationName: operation?.name?.value ?? request.operationName };
  return operation?.operation === 'subscription' ? live(named, authorization(headers)) : post(named, headers);
}

/**
 * The operation that is meant: the one that is named, else the only one. Right after a change of tabs, GraphiQL 5.4
 * still names that of the tab before.
 */
function chosen({ query, operationName }) {
  try {
    const operations = parse(query, { noLocation: true }).definitions.filter(
      ({ kind }) => kind === Kind.OPERATION_DEFINITION,
    );
    const named = operations.find(({ name }) => name?.value === operationName);
    return named ?? (operations.length === 1 ? operations[0] : undefined);
  } catch {
    return undefined; // the server says what is wrong with it
  }
}

/** The answer to one request. Throws with a sentence where there is none in JSON. */
export async function post(request, headers = {}, signal = undefined) {
  const response = await fetch(PATH, {
    method: 'POST',
    headers: {
      ...headers,
      'Content-Type': 'application/json',
      Accept: 'application/graphql-response+json, application/json',
    },
    body: JSON.stringify(request),
    signal,
  }).catch((error) => {
    throw new Error(`The server was not reached: ${error.message}.`, { cause: error });
  });
  if (response.status === UNAUTHORIZED) refused(ASKS_FOR_KEY);
  else admitted();
  if (!/[/+]json\b/.test(response.headers.get('content-type') ?? '')) {
    throw new Error(`The answer is no GraphQL: ${response.status} ${response.statusText}.`);
  }
  return response.json();
}

/**
 * The results of a subscription, over a socket of its own: a key that was changed is told to a new connection.
 *
 * A lost connection is made again, and the subscription with it, and the page says so.
 */
function live(request, key) {
  return {
    subscribe({ next, error, complete }) {
      let lostAt = '';
      const client = createClient({
        url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${PATH}`,
        connectionParams: key === undefined ? {} : { authorization: key },
        retryAttempts: ATTEMPTS,
        retryWait: (attempt) => pause(WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)]),
        // A refused connection is an Event without a code; all else that is thrown is a fault of the page.
        shouldRetry: (cause) => cause instanceof Event && cause.code !== FORBIDDEN,
        on: {
          connected() {
            admitted(lostAt && `Connected again, after no connection since ${lostAt}. What happened in between is not shown.`);
            lostAt = '';
          },
          closed(event) {
            if (event.code === FORBIDDEN || event.code === NORMAL) return;
            lostAt ||= new Date().toLocaleTimeString();
            say(`No connection since ${lostAt}. Trying again …`);
          },
        },
      });
      const stop = client.subscribe(request, { next, error: (cause) => error(explained(cause)), complete });
      return {
        unsubscribe() {
          stop();
          client.dispose();
          say('');
        },
      };
    },
  };
}

/** What GraphiQL shows: GraphQL errors as they are, and a sentence for a socket that is not made again. */
function explained(cause) {
  if (!(cause instanceof Event)) return cause;
  if (cause.code === FORBIDDEN) refused(ASKS_FOR_KEY);
  else say('');
  const why = cause instanceof CloseEvent ? `${cause.code} ${cause.reason}`.trim() : 'it could not be opened again';
  return new Error(`The socket is closed: ${why}.`);
}

const authorization = (headers) =>
  Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization')?.[1];

const pause = (duration_ms) => new Promise((resolve) => setTimeout(resolve, duration_ms));
