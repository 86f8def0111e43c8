// What every other script builds on: which elements a person could use, their names and places.
// The register of a document keeps the keys that were given out, so that an element keeps its key.

const REGISTER = Symbol.for('sessiond.register');
const KEYS_MAX = 20000;
const LABEL_MAX = 160;

function register() {
  if (!window[REGISTER]) {
    const token = performance.timeOrigin + ':' + Math.random();
    Object.defineProperty(window, REGISTER, {
      value: { token, next: 1, keys: new WeakMap(), elements: new Map(), bySign: new Map() },
    });
  }
  return window[REGISTER];
}

function clean(text, most = LABEL_MAX) {
  const line = String(text ?? '').slice(0, most * 20).replace(/\s+/g, ' ').trim();
  return (line.length > most ? line.slice(0, most - 1) + '…' : line).toWellFormed();
}

function parentOf(element) {
  if (element.parentElement) return element.parentElement;
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}

function visible(element) {
  if (!element.checkVisibility({ visibilityProperty: true })) return false;
  const box = element.getBoundingClientRect();
  if (box.width > 0 && box.height > 0) return true;
  return Array.from(element.children).some((child) => {
    const inner = child.getBoundingClientRect();
    return inner.width > 0 && inner.height > 0;
  });
}

const CLICKED_INPUTS = new Set(['submit', 'button', 'reset', 'image']);
const BUTTON_ROLES = new Set(['button', 'tab', 'menuitem', 'option', 'treeitem', 'combobox',
  'gridcell', 'slider', 'spinbutton']);
const CHECK_ROLES = new Set(['checkbox', 'radio', 'switch', 'menuitemcheckbox',
  'menuitemradio']);

// Role and type of what can be done with an element; null where nothing can.
function use(element) {
  if (element.disabled || element.getAttribute('aria-disabled') === 'true') return null;
  const role = element.getAttribute('role');
  switch (element.localName) {
    case 'input':
      if (element.type === 'hidden') return null;
      if (CLICKED_INPUTS.has(element.type)) return ['button', 'click'];
      if (element.type === 'checkbox' || element.type === 'radio') return ['input', 'check'];
      if (element.type === 'file') return ['input', 'upload_file'];
      return element.readOnly ? ['button', 'click'] : ['input', 'fill'];
    case 'textarea': return element.readOnly ? null : ['input', 'fill'];
    case 'select': return ['input', 'select_dropdown_option'];
    case 'button': case 'summary': return ['button', 'click'];
    case 'a': case 'area':
      if (!element.hasAttribute('href')) break;
      return [role === 'button' || role === 'tab' ? 'button' : 'link', 'click'];
    case 'html': case 'body': case 'label': case 'option': return null;
  }
  if (element.isContentEditable) {
    const above = parentOf(element);
    return above && above.isContentEditable ? null : ['input', 'fill'];
  }
  if (CHECK_ROLES.has(role)) return ['input', 'check'];
  if (role === 'link') return ['link', 'click'];
  if (BUTTON_ROLES.has(role) || element.hasAttribute('onclick')) return ['button', 'click'];
  if (element.onclick && element.localName !== 'form') return ['button', 'click'];
  return null;
}

// A script's click handler cannot be seen, but the pointer that says "click here" can.
function pointed(element) {
  if (getComputedStyle(element).cursor !== 'pointer') return false;
  const above = parentOf(element);
  return above !== null && getComputedStyle(above).cursor !== 'pointer';
}

function* everything(root) {
  const ahead = [root.firstElementChild];
  while (ahead.length) {
    const element = ahead.pop();
    if (!element) continue;
    ahead.push(element.nextElementSibling);
    if (element.inert) continue;
    yield element;
    ahead.push(element.firstElementChild);
    if (element.shadowRoot) ahead.push(element.shadowRoot.firstElementChild);
  }
}

function named(element, attribute) {
  const ids = (element.getAttribute(attribute) ?? '').split(/\s+/).filter(Boolean).slice(0, 8);
  const root = element.getRootNode();
  return ids.map((id) => root.getElementById?.(id)?.textContent ?? '').join(' ');
}

function label(element) {
  const first = clean(named(element, 'aria-labelledby')) || clean(element.ariaLabel);
  if (first) return first;
  if (element.localName === 'input' && CLICKED_INPUTS.has(element.type)) {
    return clean(element.value || element.alt || element.title || element.type);
  }
  const isField = use(element)?.[0] === 'input';
  if (isField && element.labels?.length) {
    const told = clean(Array.from(element.labels, ownText).join(' '));
    if (told) return told;
  }
  if (isField) {
    const text = CHECK_ROLES.has(element.role) ? element.textContent : '';
    return clean(element.placeholder || element.title || element.name || element.id || text);
  }
  const text = clean(element.firstElementChild ? element.innerText : element.textContent);
  if (text) return text;
  const inner = element.querySelector('img[alt], svg title, [aria-label]');
  return clean(element.title || element.alt || inner?.alt || inner?.ariaLabel ||
    inner?.textContent || element.getAttribute('name') || element.id);
}

// The text of a label without that of the field in it.
function ownText(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (/^(select|textarea|option|script|style)$/.test(node.localName ?? '')) return '';
  return Array.from(node.childNodes, ownText).join(' ');
}

function sign(element, told = label(element)) {
  const attributes = ['type', 'role', 'name', 'href', 'id'];
  const parts = attributes.map((name) => (element.getAttribute(name) ?? '').slice(0, 200));
  return [element.localName, ...parts, told].join('\u0000').toWellFormed();
}

// The key of an element; one that a script put in the place of an equal one inherits its key.
function keyOf(element, told) {
  const book = register();
  const known = book.keys.get(element);
  if (known) return known;
  const mark = sign(element, told);
  const before = book.bySign.get(mark) ?? [];
  let key = before.find((one) => !book.elements.get(one)?.deref()?.isConnected);
  if (!key) {
    if (book.elements.size >= KEYS_MAX) forget(book);
    key = book.next++;
    book.bySign.set(mark, [...before.slice(-50), key]);
  }
  book.keys.set(element, key);
  book.elements.set(key, new WeakRef(element));
  return key;
}

function forget(book) {
  book.bySign.clear();
  for (const [key, reference] of book.elements) {
    if (!reference.deref()?.isConnected) book.elements.delete(key);
  }
  if (book.elements.size >= KEYS_MAX) book.elements.clear();
}

const positions = new Map();

function positionOf(element) {
  const above = element.parentNode;
  if (!above) return 1;
  if (!positions.has(above)) {
    const counts = new Map();
    const places = new Map();
    for (const child of above.children) {
      const count = (counts.get(child.localName) ?? 0) + 1;
      counts.set(child.localName, count);
      places.set(child, count);
    }
    positions.set(above, places);
  }
  return positions.get(above).get(element);
}

const soleIds = new Map();

function soleId(element) {
  const id = element.id;
  if (!id || id.length > 100 || !id.isWellFormed() || /["'\\\s]/.test(id)) return '';
  const root = element.getRootNode();
  if (!root.querySelectorAll) return '';
  const place = root === document ? id : null;
  if (place !== null && soleIds.has(id)) return soleIds.get(id);
  const sole = root.querySelectorAll('#' + CSS.escape(id)).length === 1 ? id : '';
  if (place !== null) soleIds.set(id, sole);
  return sole;
}

// Selectors for one element: `css` holds inside its shadow root, `hosts` are the ways there.
function pathOf(element) {
  const css = [];
  const xpath = [];
  let one = element;
  for (; one && one.nodeType === Node.ELEMENT_NODE; one = one.parentElement) {
    const id = soleId(one);
    if (id) {
      css.unshift('#' + CSS.escape(id));
      xpath.unshift(`//*[@id="${id}"]`);
      break;
    }
    const html = one.namespaceURI === 'http://www.w3.org/1999/xhtml';
    const name = html ? one.localName : `*[name()="${one.nodeName}"]`;
    if (html && (name === 'html' || name === 'body')) {
      if (name === 'body' || one === element) css.unshift(name);
      xpath.unshift('/' + name);
      continue;
    }
    const position = positionOf(one);
    css.unshift(`${CSS.escape(one.localName)}:nth-of-type(${position})`);
    xpath.unshift(`/${name}[${position}]`);
  }
  const root = element.getRootNode();
  const hosts = root instanceof ShadowRoot ? shadowPath(root.host) : [];
  return { css: css.join(' > '), xpath: hosts.length ? '' : xpath.join(''), hosts };
}

function shadowPath(host) {
  const { css, hosts } = pathOf(host);
  return [...hosts, css];
}

function view() {
  const root = document.scrollingElement ?? document.documentElement;
  return {
    scroll_x: Math.round(scrollX), scroll_y: Math.round(scrollY),
    width: innerWidth, height: innerHeight,
    total_width: Math.max(root?.scrollWidth ?? 0, innerWidth),
    total_height: Math.max(root?.scrollHeight ?? 0, innerHeight),
  };
}

const SECRET_HINTS = /pass(word|wd)?|pwd|secret|token|otp|one.?time|pin.?code|cvc|cvv|csc|card/i;

function secret(element) {
  if (element.type === 'password') return true;
  const told = (element.autocomplete ?? '') + ' ';
  if (/^(cc-(number|csc|exp.*)|one-time-code|(current|new)-password) /.test(told)) return true;
  return SECRET_HINTS.test(`${element.name ?? ''} ${element.id ?? ''}`) &&
    element.localName === 'input' && !/^(checkbox|radio|file)$/.test(element.type);
}
