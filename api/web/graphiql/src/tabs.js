import { post } from './fetcher.js';

const PATIENCE_MS = 2_000;

const CATALOG = `# Sources, tables, columns. Ctrl-Enter asks.
query Catalog {
  dataSources {
    nodes {
      name
      kind
      status
      tables {
        nodes {
          fqn
          rowCount {
            value
          }
          columns {
            nodes {
              name
              nativeType
              nullable
            }
          }
        }
      }
    }
  }
}
`;

const TEST_CONNECTION = `# Tests the source named under Variables,
# step by step, and changes nothing in it.
mutation TestConnection($dataSource: ID!) {
  testConnection(
    target: { dataSource: $dataSource }
  ) {
    ... on Operation {
      state
      steps {
        name
        state
        durationMs
        facts {
          name
          value
          unit
        }
      }
    }
    ... on Problem {
      code
      message
    }
  }
}
`;

const HEALTH = `# Health, at each check. Run again to stop.
subscription Health {
  health {
    name
    status
    score
    latencyMs
    at
  }
}
`;

/** What is open at the first visit: a query, a mutation of the first source there is, and a subscription. */
export async function firstTabs() {
  return [
    { query: CATALOG },
    { query: TEST_CONNECTION, variables: JSON.stringify({ dataSource: await firstSource() }, null, 2) },
    { query: HEALTH },
  ];
}

async function firstSource() {
  const query = '{ dataSources(first: 1) { nodes { id } } }';
  try {
    const answer = await post({ query }, {}, AbortSignal.timeout(PATIENCE_MS));
    return answer.data.dataSources.nodes[0].id;
  } catch {
    return 'src_…'; // no source yet, or a server that asks for its key first
  }
}
