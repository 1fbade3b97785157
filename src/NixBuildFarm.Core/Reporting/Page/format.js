// Figures as the reader sees them.

const twoDigits = value => String(Math.round(value)).padStart(2, '0');

/** A duration; nothing where it is not known. */
export function span(seconds) {
  if (seconds === undefined || seconds === null) return '';
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${seconds.toFixed(0)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${twoDigits(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${twoDigits(Math.floor(whole % 3600 / 60))} m`;
}

/** How much longer, or less long, something takes. */
export function signedSpan(seconds) {
  if (seconds === undefined) return '';
  const text = span(Math.abs(seconds));
  return text === '0.0 s' ? text : (seconds < 0 ? '−' : '+') + text;
}

/** An amount of data, in units of 1,024. */
export function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; count >= 1023.95 && unit < units.length - 1; unit++) count /= 1024;
  return unit === 0 ? `${count} B` : `${count.toFixed(1)} ${units[unit]}`;
}

export const number = count => count.toLocaleString('en');

export const percent = part => `${Math.round(100 * part)} %`;

/** A number with its noun. */
export const counted = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

/** The first names of a list, and how many there are beside them. */
export function firstOf(names, most = 12) {
  return names.slice(0, most).join(', ') + (names.length > most ? ` and ${names.length - most} more` : '');
}

/** A time at the axis, as exact as the distance of its ticks needs. */
export function tickText(time, step) {
  if (step < 1) return `${time.toFixed(step < 0.1 ? 2 : 1)} s`;
  if (time < 60) return `${Math.round(time)} s`;
  if (time < 3600) return `${Math.floor(time / 60)} m${time % 60 ? ` ${twoDigits(time % 60)} s` : ''}`;
  return `${Math.floor(time / 3600)} h${time % 3600 ? ` ${twoDigits(time % 3600 / 60)} m` : ''}`;
}
