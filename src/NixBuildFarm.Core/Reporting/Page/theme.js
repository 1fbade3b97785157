// Light or dark: as the system is, until the reader chooses.
import { byId } from './dom.js';

const Key = 'nixbuildfarm-theme';

/** Sets the theme, now and at each change; `changed` is called after a change. */
export function followTheme(root, changed) {
  const wantsDark = matchMedia('(prefers-color-scheme: dark)');
  const set = theme => {
    root.dataset.theme = theme;
    byId('theme').textContent = theme === 'dark' ? 'Light' : 'Dark';
  };
  const ofSystem = () => wantsDark.matches ? 'dark' : 'light';
  set(chosenTheme() ?? ofSystem());
  wantsDark.addEventListener('change', () => {
    if (chosenTheme()) return;
    set(ofSystem());
    changed();
  });
  byId('theme').addEventListener('click', () => {
    set(root.dataset.theme === 'dark' ? 'light' : 'dark');
    try {
      localStorage.setItem(Key, root.dataset.theme);
    } catch {
      // A page from a file may have no storage: the choice lasts as long as the page.
    }
    changed();
  });
}

function chosenTheme() {
  try {
    return localStorage.getItem(Key);
  } catch {
    return null;
  }
}
