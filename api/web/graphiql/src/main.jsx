import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './page.css';

import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { Footer } from './footer.jsx';
import { fetcher } from './fetcher.js';
import { storage } from './storage.js';
import { firstTabs } from './tabs.js';

const tabs = storage.getItem('graphiql:tabState') ? undefined : await firstTabs();

createRoot(document.getElementById('page')).render(
  <GraphiQL fetcher={fetcher} defaultTabs={tabs} shouldPersistHeaders={false} storage={storage}>
    <GraphiQL.Logo>Headwater</GraphiQL.Logo>
    <GraphiQL.Footer>
      <Footer />
    </GraphiQL.Footer>
  </GraphiQL>,
);
