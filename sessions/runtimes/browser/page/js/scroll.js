// Scroll an element, or else the document, or else what on the page scrolls; how far it went.

function scrolls(element) {
  if (element.scrollHeight <= element.clientHeight + 1) return false;
  return /auto|scroll|overlay/.test(getComputedStyle(element).overflowY);
}

function within(element) {
  for (let one = element; one; one = parentOf(one)) if (scrolls(one)) return one;
  return null;
}

function largest() {
  let best = null;
  let area = 0;
  for (const element of everything(document)) {
    const size = element.clientWidth * element.clientHeight;
    if (size > area && scrolls(element)) [best, area] = [element, size];
  }
  return best;
}

function main({ element, amount, down }) {
  const root = document.scrollingElement ?? document.documentElement;
  const rootScrolls = root.scrollHeight > innerHeight + 1;
  const target = (element && within(element)) ?? (rootScrolls ? root : largest() ?? root);
  const page = target === root ? innerHeight : target.clientHeight;
  const before = target.scrollTop;
  target.scrollBy({ top: (down ? 1 : -1) * (amount ?? page), behavior: 'instant' });
  return Math.round(Math.abs(target.scrollTop - before));
}
