// The element that was observed: itself, or the one that a script has put in its place.

function main({ token, key, sign: mark, css, hosts }) {
  const book = register();
  if (book.token !== token) return null;
  const kept = book.elements.get(key)?.deref();
  if (kept?.isConnected) return kept;
  let root = document;
  for (const host of hosts) root = root?.querySelector(host)?.shadowRoot ?? null;
  const there = root?.querySelector(css);
  if (there && sign(there) === mark) return there;
  const alike = [];
  for (const element of everything(document)) {
    if (use(element) && sign(element) === mark) alike.push(element);
    if (alike.length > 1) return null;
  }
  return alike[0] ?? null;
}
