// Wait until nothing has changed in the document for `still_ms`, at most `most_ms`.

function main({ still_ms, most_ms }) {
  return new Promise((resolve) => {
    let timer = setTimeout(done, still_ms);
    const last = setTimeout(done, most_ms);
    const observer = new MutationObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(done, still_ms);
    });
    function done() {
      clearTimeout(timer);
      clearTimeout(last);
      observer.disconnect();
      resolve(true);
    }
    observer.observe(document, { subtree: true, childList: true, attributes: true });
  });
}
