// What could be done in this document: the most useful `most` elements, in the order of the page.

const ELEMENTS_MAX = 60000;
const VALUES_MAX = 100;
const TEXTUAL = /^(div|span|li|td|tr|img|svg|p|section|article|label|i|h[1-6])$/;

function landmark(element) {
  for (let one = element; one; one = parentOf(one)) {
    const role = one.getAttribute('role');
    switch (role ?? one.localName) {
      case 'dialog': case 'alertdialog': return 'Dialog';
      case 'search': return 'Search';
      case 'nav': case 'navigation': return 'Navigation';
      case 'form': return 'Form';
      case 'footer': case 'contentinfo': return 'Footer';
      case 'header': case 'banner': return 'Header';
      case 'aside': case 'complementary': return 'Sidebar';
      case 'main': return 'Main content';
    }
  }
  return 'Page';
}

function param(element, type) {
  switch (type) {
    case 'fill': {
      const value = element.isContentEditable && !('value' in element) ? '' : element.value;
      const kind = element.type === 'number' || element.type === 'range' ? 'number'
        : /^(date|time|month|week|datetime-local)$/.test(element.type) ? element.type : 'str';
      return { name: 'value', type: kind, value: secret(element) ? '' : clean(value) };
    }
    case 'check': {
      const on = 'checked' in element ? element.checked : element.ariaChecked === 'true';
      return { name: 'value', type: 'bool', value: String(on) };
    }
    case 'select_dropdown_option': {
      const options = Array.from(element.options).filter((one) => !one.disabled);
      const values = options.slice(0, VALUES_MAX).map((one) => clean(one.label || one.value));
      const now = clean(element.selectedOptions[0]?.label);
      return { name: 'value', type: 'str', value: now, values };
    }
    case 'upload_file': return { name: 'file_path', type: 'str', value: '' };
  }
  return null;
}

function candidates() {
  const found = [];
  const roots = new Set();
  let looked = 0;
  let insideUntil = null;
  for (const element of everything(document)) {
    if (++looked > ELEMENTS_MAX) break;
    if (insideUntil && !insideUntil.contains(element)) insideUntil = null;
    let what = use(element);
    if (!what && !insideUntil && TEXTUAL.test(element.localName) && pointed(element)) {
      // A label that points belongs to its field, and a row that holds links is not a button.
      const holds = element.querySelector('a[href], button, input, select, textarea');
      if (!holds && !element.closest('label')) what = ['button', 'click'];
    }
    if (!what) continue;
    if (what[1] === 'click' && insideUntil) continue;
    if (what[1] !== 'upload_file' && !visible(element)) continue;
    if (what[1] === 'click') insideUntil = element;
    roots.add(element);
    found.push({ element, role: what[0], type: what[1] });
  }
  return found;
}

function rank(one) {
  const box = one.element.getBoundingClientRect();
  const seen = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
  if (one.role !== 'link') return seen ? 0 : 2;
  return seen ? 1 : 3;
}

function chosen(found, most) {
  if (found.length <= most) return found;
  const ranked = found.map((one, place) => ({ one, place, rank: rank(one) }));
  ranked.sort((a, b) => a.rank - b.rank || a.place - b.place);
  return ranked.slice(0, most).sort((a, b) => a.place - b.place).map(({ one }) => one);
}

function told({ element, role, type }) {
  const name = label(element);
  const path = pathOf(element);
  return {
    key: keyOf(element, name), sign: sign(element, name), role, type, label: name,
    kind: element.type && typeof element.type === 'string' ? element.type : '',
    where: landmark(element), css: path.css, xpath: path.xpath, hosts: path.hosts,
    to: role === 'link' ? clean(element.href, 300) : '', param: param(element, type),
  };
}

function count(selector) {
  return Math.min(document.querySelectorAll(selector).length, 10000);
}

function features() {
  const text = clean(document.body?.innerText?.slice(0, 4000), 4000).toLowerCase();
  return {
    passwords: count('input[type=password]'),
    cards: count('input[autocomplete^=cc-], input[name*=cardnumber i], input[name*=cvc i]'),
    fields: count('input:not([type=hidden], [type=search], [type=submit]), textarea, select'),
    searches: count('input[type=search], [role=search], form[action*=search i]'),
    articles: count('article, [role=article], [role=feed] > *'),
    captchas: count('iframe[src*=captcha i], iframe[src*="challenges.cloudflare"], .g-recaptcha,' +
      ' .h-captcha, .cf-turnstile'),
    headings: count('h1'),
    items: count('h2 a, h3 a, article a, li a'),
    prices: count('[itemprop=price], [class*=price i], meta[property="product:price:amount"]'),
    cookies: Array.from(document.querySelectorAll(
      '[role=dialog], dialog[open], [id*=cookie i], [class*=cookie i], [id*=consent i]'))
      .slice(0, 50).some((one) => visible(one) && /cookie|consent/i.test(one.textContent) &&
        one.querySelector('button, a, [role=button]') !== null),
    price: /(€|\$|£|\beur\b|\busd\b)\s?\d|\d\s?(€|\beur\b|\busd\b)/.test(text),
    buy: /add to (cart|basket|bag)|buy now|in den warenkorb/.test(text),
  };
}

function main({ most }) {
  const found = candidates();
  const title = clean(document.title, 500);
  const about = document.querySelector('meta[name=description]')?.content;
  return JSON.stringify({
    token: register().token, title, view: view(), features: features(),
    heading: clean(document.querySelector('h1')?.innerText), about: clean(about, 300),
    total: found.length, elements: chosen(found, most).map(told),
  });
}
