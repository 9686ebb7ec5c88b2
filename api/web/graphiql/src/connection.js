/**
 * How the page stands with its server: `notice`, a sentence for the person at it ('' when there is nothing to say), and
 * `admissions`, how often it was let in after it had been refused.
 */
let state = { notice: '', admissions: 0 };
let isRefused = false;
const watchers = new Set();

export const connection = () => state;

/** Calls `watcher` at every change, until the function that it returns is called. */
export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function say(notice) {
  change({ ...state, notice });
}

export function refused(notice) {
  isRefused = true;
  say(notice);
}

export function admitted(notice = '') {
  change({ notice, admissions: state.admissions + (isRefused ? 1 : 0) });
  isRefused = false;
}

function change(changed) {
  state = changed;
  for (const watcher of watchers) watcher();
}
