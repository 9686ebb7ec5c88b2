/**
 * The browser's storage, where keys are not kept.
 *
 * Tabs leave out their headers by themselves, but GraphiQL's history keeps them, in @graphiql/toolkit 0.12 whatever
 * `shouldPersistHeaders` says.
 */
export const storage = {
  getItem: (name) => localStorage.getItem(name),
  setItem: (name, value) => localStorage.setItem(name, withoutHeaders(value)),
  removeItem: (name) => localStorage.removeItem(name),
  clear: () => ownNames().forEach((name) => localStorage.removeItem(name)),
  get length() {
    return ownNames().length;
  },
};

const ownNames = () => Object.keys(localStorage).filter((name) => name.startsWith('graphiql:'));

function withoutHeaders(value) {
  try {
    return JSON.stringify(JSON.parse(value, (name, member) => (name === 'headers' ? null : member)));
  } catch {
    return value; // not all that is kept is JSON
  }
}
