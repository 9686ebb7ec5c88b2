import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useSyncExternalStore } from 'react';
import { connection, watch } from './connection.js';

const DARK = '(prefers-color-scheme: dark)';

/** Says how the page stands with its server, and does what depends on it. */
export function Footer() {
  const { notice, admissions } = useSyncExternalStore(watch, connection);
  const { introspect, setTheme } = useGraphiQLActions();
  const theme = useGraphiQL((state) => state.theme);

  // The schema that was refused to a page without the key.
  useEffect(() => {
    if (admissions > 0) introspect();
  }, [admissions, introspect]);

  // The page's own styles follow the system by themselves, Monaco's theme has to be set anew.
  useEffect(() => {
    const system = matchMedia(DARK);
    const follow = () => setTheme(theme);
    system.addEventListener('change', follow);
    return () => system.removeEventListener('change', follow);
  }, [theme, setTheme]);

  return (
    <p className="notice" role="status">
      {notice}
    </p>
  );
}
