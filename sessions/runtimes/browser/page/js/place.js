// Title and viewport of the document.

function main() {
  return JSON.stringify({ title: clean(document.title, 500), view: view() });
}
