// What an element is, and where: of the element that is given.

function main(element) {
  const path = pathOf(element);
  const what = use(element);
  return JSON.stringify({
    label: label(element), tag: element.localName, kind: String(element.type ?? ''),
    css: path.css, xpath: path.xpath, hosts: path.hosts, secret: secret(element),
    editable: element.isContentEditable || /^(input|textarea)$/.test(element.localName),
    usable: what !== null, shown: visible(element),
  });
}
