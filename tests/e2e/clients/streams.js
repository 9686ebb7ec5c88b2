// Runs operations over streaming HTTP, all at once with one real client, and prints a JSON line for all that happens.
// node streams.js sse|multipart URL
// It reads a line: {"operations":[{"query":"…","variables":{…},"first":3}],"key":"…","follow":true}
// An operation is disposed after `first` results. With `follow`, one that breaks is begun anew behind its last cursor.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { createClient } from 'graphql-sse';
import { map } from 'rxjs';

const [transport, url] = process.argv.slice(2);
const [text] = await once(createInterface({ input: process.stdin }), 'line');
const { operations, key, follow = false } = JSON.parse(text);
const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
const say = (operation, message) => process.stdout.write(JSON.stringify({ operation, ...message }) + '\n');

// A NetworkError or ServerError with the status of its answer, or errors of GraphQL.
const told = (error) => ({
  name: error.name,
  status: error.response?.status ?? error.statusCode,
  text: Array.isArray(error) ? JSON.stringify(error) : String(error.message ?? error),
});

const sse = () => {
  const client = createClient({ url, headers, retryAttempts: 0 });
  return (request, observer) => client.subscribe(request, observer);
};

const multipart = () => {
  const client = new ApolloClient({ link: new HttpLink({ uri: url, headers }), cache: new InMemoryCache() });
  return ({ query, variables }, observer) => {
    // Apollo Client tells every error with a result; only those of GraphQL belong to one.
    const tell = ({ data, error }) => {
      if (error && !CombinedGraphQLErrors.is(error)) throw error;
      observer.next({ data, errors: error && [told(error)] });
    };
    const request = { variables, fetchPolicy: 'no-cache', errorPolicy: 'all' };
    const document = gql(query);
    const kind = document.definitions[0].operation;
    if (kind === 'subscription') {
      const subscription = client
        .subscribe({ query: document, ...request })
        .pipe(map(tell))
        .subscribe({ error: observer.error, complete: observer.complete });
      return () => subscription.unsubscribe();
    }
    const asking =
      kind === 'query'
        ? client.query({ query: document, ...request })
        : client.mutate({ mutation: document, ...request });
    asking.then(tell).then(observer.complete, observer.error);
    return () => {};
  };
};

const subscribe = { sse, multipart }[transport]();

const run = ({ query, variables = {}, first = Infinity }, index) =>
  new Promise((resolve) => {
    let count = 0;
    let after = variables.after;
    const begin = () => {
      const dispose = subscribe(
        { query, variables: { ...variables, after } },
        {
          next: (result) => {
            say(index, { next: result });
            after = result.data?.events?.cursor ?? after;
            count += 1;
            if (count === first) {
              dispose();
              resolve();
            }
          },
          error: (error) => {
            say(index, { error: told(error) });
            if (follow) setTimeout(begin, 100);
            else resolve();
          },
          complete: () => {
            if (count < first) say(index, { complete: true });
            resolve();
          },
        },
      );
    };
    begin();
  });

await Promise.all(operations.map(run));
process.exit(0);
