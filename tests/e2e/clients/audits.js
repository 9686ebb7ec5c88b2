// Runs graphql-http's audits of a server and prints one JSON object: {id: {status, name, reason}}.
// node audits.js URL
import { serverAudits } from 'graphql-http';

const [url] = process.argv.slice(2);
const results = {};
for (const audit of serverAudits({ url })) {
  const { status, name, reason } = await audit.fn();
  if (audit.id in results) throw new Error(`two audits are called ${audit.id}`);
  results[audit.id] = { status, name, reason };
}
process.stdout.write(JSON.stringify(results) + '\n');
