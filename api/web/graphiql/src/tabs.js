import { post } from './fetcher.js';

const PATIENCE_MS = 2_000;

const CATALOG = `# Sources, their tables and the tables' columns. Ctrl-Enter runs it.
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
              isNullable
            }
          }
        }
      }
    }
  }
}
`;

const TEST_CONNECTION = `# Tests the connection of the source under Variables, step by step; nothing in it is changed.
mutation TestConnection($dataSource: ID!) {
  testConnection(target: { dataSource: $dataSource }) {
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

const HEALTH = `# The health of each source, whenever it is checked. The same button stops it.
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
