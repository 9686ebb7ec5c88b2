// Composes the running server's subgraph, alone, with one of the two composers that gateways use.
// node compose.js apollo|hive URL  → {"errors":["…"],"hints":["…"],"supergraph":"…"} (no supergraph where it fails)
import { composeServices as composeWithApollo } from '@apollo/composition';
import { composeServices as composeWithHive } from '@theguild/federation-composition';
import { parse } from 'graphql';

const [composer, url] = process.argv.slice(2);
const answer = await fetch(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ query: '{ _service { sdl } }' }),
});
const { data } = await answer.json();
const subgraph = { name: 'headwater', url, typeDefs: parse(data._service.sdl) };
const composed = { apollo: composeWithApollo, hive: composeWithHive }[composer]([subgraph]);
process.stdout.write(
  JSON.stringify({
    errors: (composed.errors ?? []).map((error) => error.message),
    hints: (composed.hints ?? []).map((hint) => hint.message),
    supergraph: composed.supergraphSdl,
  }),
);
