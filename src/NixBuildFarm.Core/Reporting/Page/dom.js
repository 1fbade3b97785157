// Elements of the page.

export const byId = id => document.getElementById(id);

/** Makes an element. Every text of the run becomes a text node: names and logs are data, whatever is in them. */
export function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === 'class') made.className = value;
    else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== undefined) made.setAttribute(key, value);
  }
  for (const child of children) made.append(child instanceof Node ? child : document.createTextNode(child ?? ''));
  return made;
}

/** Whether a button that stays down is down. */
export const isPressed = id => byId(id).getAttribute('aria-pressed') === 'true';

const colourNames = [
  'built', 'critical', 'failed', 'supply', 'retry', 'hedge', 'fetched', 'home', 'running', 'shared', 'text', 'dim', 'line', 'card',
  'accent', 'built-text', 'critical-text', 'failed-text', 'plain-text',
];

/** The colours of the theme, for a canvas has no style sheet. */
export function coloursOf(root) {
  const style = getComputedStyle(root);
  return Object.fromEntries(colourNames.map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** Empties a canvas, and gives it the size and as many dots as the screen has. */
export function penOf(canvas, width, height) {
  const scale = devicePixelRatio || 1;
  const [dotsAcross, dotsDown] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== dotsAcross || canvas.height !== dotsDown) {
    canvas.width = dotsAcross;
    canvas.height = dotsDown;
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}
