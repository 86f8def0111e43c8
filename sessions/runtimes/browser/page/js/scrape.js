// What the document says, as a small and shallow HTML of what can be seen.

const HTML_MAX = 400000;
const DEPTH_MAX = 40;
const IMAGES_MAX = 500;
const SKIPPED = new Set(['script', 'style', 'noscript', 'template', 'svg', 'canvas', 'iframe',
  'object', 'embed', 'head', 'link', 'meta', 'audio', 'video', 'map', 'dialog', 'datalist']);
const AROUND = new Set(['nav', 'header', 'footer', 'aside']);
const AROUND_ROLES = new Set(['navigation', 'banner', 'contentinfo', 'complementary', 'dialog',
  'alertdialog', 'search']);
const KEPT = new Set(['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'p', 'ul', 'ol', 'li', 'blockquote',
  'pre', 'code', 'strong', 'b', 'em', 'i', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'dl',
  'dt', 'dd', 'br', 'hr', 'del', 's', 'sub', 'sup', 'figcaption']);
const INLINE = /^(inline|contents|none)/;

let size = 0;
let cut = false;
const images = [];

function quoted(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}

// Long stretches of nothing say nothing, and cost whoever reads them.
function spaced(node) {
  return node.data.replace(/\s+/g, ' ');
}

function address(text) {
  try {
    const url = new URL(text, document.baseURI);
    url.username = url.password = '';
    return /^(https?|mailto|tel):$/.test(url.protocol) ? url.href.slice(0, 2000) : '';
  } catch {
    return '';
  }
}

function out(parts, text) {
  if (cut) return;
  size += text.length;
  if (size > HTML_MAX) cut = true;
  else parts.push(text);
}

function write(node, parts, depth, wanted) {
  if (cut || !node) return;  // a page that is just being replaced has no root
  if (node.nodeType === Node.TEXT_NODE) return out(parts, quoted(spaced(node)));
  if (node.nodeType !== Node.ELEMENT_NODE) return undefined;
  const name = node.localName;
  if (SKIPPED.has(name) && !(name === 'dialog' && node.open)) return undefined;
  if (wanted.ignored.includes(name) || left(node, wanted)) return undefined;
  if (!node.checkVisibility({ visibilityProperty: true }) && name !== 'br' &&
    getComputedStyle(node).display !== 'contents') return undefined;
  if (name === 'pre') {
    const code = node.textContent.replace(/^\s*\n/, '').trimEnd();
    return out(parts, `<pre>${quoted(code.replace(/[ \t]{100,}/g, ' '))}</pre>`);
  }
  const tags = wrapping(node, name, wanted);
  if (depth < DEPTH_MAX) out(parts, tags[0]);
  if (/^(input|select|textarea|img)$/.test(name)) return undefined;
  const children = node.shadowRoot ? node.shadowRoot.childNodes
    : name === 'slot' && node.assignedNodes().length ? node.assignedNodes() : node.childNodes;
  if (depth < 400) {
    for (const child of children) write(child, parts, depth + (tags[0] ? 1 : 0), wanted);
  }
  if (depth < DEPTH_MAX && tags[1]) parts.push(tags[1]);
  return undefined;
}

function left(node, wanted) {
  if (!wanted.main) return false;
  const role = node.getAttribute('role');
  if (AROUND_ROLES.has(role)) return true;
  // The header of an article belongs to it; that of the page does not.
  return AROUND.has(node.localName) && !(node.localName === 'header' && node.closest('article'));
}

function wrapping(node, name, wanted) {
  if (name === 'a') {
    const to = wanted.links ? address(node.getAttribute('href') ?? '') : '';
    return to ? [`<a href="${quoted(to)}">`, '</a>'] : ['', ''];
  }
  if (name === 'img') {
    const url = address(node.currentSrc || node.src || '');
    const alt = clean(node.alt || node.title, 300);
    if (url && images.length < IMAGES_MAX && !images.some((one) => one.url === url)) {
      images.push({ url, description: alt });
    }
    if (!wanted.images) return ['', ''];
    return url ? [`<img src="${quoted(url)}" alt="${quoted(alt)}">`, ''] : ['', ''];
  }
  if (name === 'br' || name === 'hr') return [`<${name}>`, ''];
  if (KEPT.has(name)) return [`<${name}>`, `</${name}>`];
  if (name === 'option' || name === 'summary' || name === 'legend') return ['<p>', '</p>'];
  return INLINE.test(getComputedStyle(node).display) ? [' ', ''] : ['<div>', '</div>'];
}

function roots(selector, onlyMain) {
  if (selector) return Array.from(document.querySelectorAll(selector)).slice(0, 100);
  if (!onlyMain) return [document.body ?? document.documentElement];
  const enough = (one) => (one.innerText ?? '').trim().length > 0 && visible(one);
  for (const landmark of ['main, [role=main]', 'article, [role=article]']) {
    const met = Array.from(document.querySelectorAll(landmark)).slice(0, 200).filter(enough);
    const outer = met.filter((one) => !met.some((two) => two !== one && two.contains(one)));
    if (outer.length) return outer;
  }
  return [document.body ?? document.documentElement];
}

function main({ selector, only_main: onlyMain, links, with_images: withImages, ignored }) {
  let from;
  try {
    from = roots(selector, onlyMain);
  } catch {
    return JSON.stringify({ error: 'the selector is not valid' });
  }
  if (selector && !from.length) {
    return JSON.stringify({ error: 'no element of the page matches the selector' });
  }
  const wanted = { main: onlyMain && !selector, links, images: withImages, ignored };
  const parts = [];
  for (const root of from) write(root, parts, 0, wanted);
  let html = parts.join('');
  // A page that is nothing but navigation is better told whole than not at all.
  if (wanted.main && !html.replace(/<[^>]*>/g, '').trim()) {
    size = 0;
    const all = [];
    write(document.body ?? document.documentElement, all, 0, { ...wanted, main: false });
    html = all.join('');
  }
  return JSON.stringify({ html: html.toWellFormed(), images, cut, error: '' });
}
