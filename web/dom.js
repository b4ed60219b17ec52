// Builds elements from code. Text is always text: nothing here or elsewhere in this page parses HTML.

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Props */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Makes an element. `onclick`-like properties become listeners, `true` an empty attribute;
 * `false`, `null` and `undefined` are left out.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  set(element, props);
  append(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Props} props
 */
function set(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(typeof child === 'number' ? String(child) : child);
  }
}

/**
 * Replaces what is inside an element.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * Replaces what is inside an element that is drawn again and again; the focus goes to the control
 * with the same `data-focus` name, else to the heading of the view.
 * @param {Element} element
 * @param {...Child} children
 */
export function redraw(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const name = focused?.getAttribute('data-focus');
  fill(element, ...children);
  if (!focused) return;
  const again = name ? element.querySelector(`[data-focus="${CSS.escape(name)}"]:not(:disabled)`) : null;
  const next = again ?? document.querySelector('main h1');
  if (next instanceof HTMLElement) next.focus();
}

/** Outlines of the few icons, on a grid of 24. */
const ICONS = {
  check: 'M5 12.5l4.5 4.5L19 7.5',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  key: 'M15 9a4 4 0 1 0-3.5 3.97L11 14v2H9v2H7v2H4v-3l5.1-5.1M16 8h.01',
  passkey: 'M10 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM3 20c0-4 3-6 7-6 1 0 2 .1 2.8.4M18 21v-6m-2 4h2m-2.5-6a2.5 2.5 0 1 1 5 0 2.5 2.5 0 0 1-5 0',
  shield: 'M12 3l7 3v5c0 4.5-2.9 8.2-7 10-4.1-1.8-7-5.5-7-10V6z',
  warning: 'M12 4l9 16H3zM12 10v4m0 3h.01',
  pen: 'M4 20l1-4L16 5l3 3L8 19z',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5m0-8h.01',
};

/**
 * A decorative icon.
 * @param {keyof typeof ICONS} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', 'aria-hidden': 'true', class: 'icon' })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

let ids = 0;

/** A fresh element id, for labels and descriptions. */
export function id(prefix = 'e') {
  ids += 1;
  return `${prefix}-${ids}`;
}
