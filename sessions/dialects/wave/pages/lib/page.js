/* What every page shares: elements, texts, the query, and the arrow keys of a remote control. */
var Page = (function () {
  "use strict";

  var CONTROLS = "a[href], button, input, textarea";
  var RETRY_MS = 500, RETRY_MS_MAX = 4000;
  var LEFT = 37, UP = 38, RIGHT = 39, DOWN = 40, ENTER = 13;

  function byId(id) { return document.getElementById(id); }

  function text(node, words) {
    var shown = words === null || words === undefined ? "" : String(words);
    if (node.textContent !== shown) { node.textContent = shown; }
    return node;
  }

  function node(tag, className, words) {
    var made = document.createElement(tag);
    if (className) { made.className = className; }
    return words === undefined ? made : text(made, words);
  }

  function show(element, visible) {
    var names = element.className.replace(/(^| )hidden( |$)/g, " ");
    element.className = (visible ? names : names + " hidden").replace(/^ +| +$/g, "");
  }

  function query(name) {
    var pairs = location.search.slice(1).split("&");
    for (var i = 0; i < pairs.length; i++) {
      var cut = pairs[i].indexOf("=");
      if (cut > 0 && pairs[i].slice(0, cut) === name) { return decoded(pairs[i].slice(cut + 1)); }
    }
    return "";
  }

  function decoded(value) {
    try {
      return decodeURIComponent(value.replace(/\+/g, " "));
    } catch (error) {
      return value;
    }
  }

  function say(words, kind) {
    var line = byId("message");
    text(line, words);
    line.className = "message" + (kind ? " " + kind : "");
  }

  /* Why a call failed, for a person. */
  function reason(status, body) {
    if (status === 0) { return "The service cannot be reached."; }
    if (status === 401 || status === 403) {
      return "The service does not take calls from this device. Start it with --wave-open to let " +
        "devices of your network in.";
    }
    if (status === 404) { return "There is no such session here."; }
    var said = body && body.error ? " " + body.error : "";
    return "The service answered " + status + "." + said;
  }

  /* How long to wait before the next of so many tries: longer each time, up to a limit. */
  function pause(tries) {
    return Math.min(RETRY_MS * Math.pow(2, Math.max(0, tries - 1)), RETRY_MS_MAX);
  }

  function go(url) { location.replace(url); }

  function withToken(page, token) {
    return WaveService.page(page, "token=" + encodeURIComponent(token));
  }

  function keep(name, value) {
    try { window.localStorage.setItem("wave." + name, value); } catch (error) { return; }
  }

  function kept(name) {
    try { return window.localStorage.getItem("wave." + name) || ""; } catch (error) { return ""; }
  }

  function list(nodes) { return Array.prototype.slice.call(nodes); }

  function visible(control) {
    return !control.disabled && (control.offsetWidth > 0 || control.offsetHeight > 0);
  }

  function controls() { return list(document.querySelectorAll(CONTROLS)).filter(visible); }

  function middle(box) {
    return { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  }

  /* How far `to` lies in the direction of `key`; null where it does not. */
  function distance(from, to, key) {
    var a = middle(from), b = middle(to), ahead, aside;
    if (key === LEFT || key === RIGHT) {
      // Sideways stays in the row: a control above or below is for the other two keys.
      if (Math.min(from.bottom, to.bottom) - Math.max(from.top, to.top) <= 0) { return null; }
      ahead = key === RIGHT ? b.x - a.x : a.x - b.x;
      aside = Math.abs(b.y - a.y);
    } else {
      ahead = key === DOWN ? b.y - a.y : a.y - b.y;
      aside = Math.max(0, from.left - to.right, to.left - from.right);
      if (Math.min(from.bottom, to.bottom) - Math.max(from.top, to.top) > 4) { return null; }
    }
    return ahead > 2 ? ahead + 2 * aside : null;
  }

  function neighbour(current, key) {
    var best = null, nearest = Infinity, from = current.getBoundingClientRect();
    var all = controls();
    for (var i = 0; i < all.length; i++) {
      var far = all[i] === current ? null
        : distance(from, all[i].getBoundingClientRect(), key);
      if (far !== null && far < nearest) { nearest = far; best = all[i]; }
    }
    if (best) { return best; }
    // At the end of a row the order of the page goes on, so that nothing is out of reach.
    return all[all.indexOf(current) + (key === RIGHT || key === DOWN ? 1 : -1)] || null;
  }

  function typing(element) {
    return element.tagName === "TEXTAREA" ||
      (element.tagName === "INPUT" && element.type === "text");
  }

  /* True while the key moves the cursor inside the text. */
  function insideText(element, key) {
    if (!typing(element) || element.readOnly) { return false; }
    var start = element.selectionStart, end = element.selectionEnd, length = element.value.length;
    if (key === LEFT) { return end > 0; }
    if (key === RIGHT) { return start < length; }
    if (element.tagName === "INPUT") { return false; }
    return key === UP ? end > 0 : start < length;
  }

  function focus(control) {
    control.focus();
    if (control.scrollIntoView) {
      var box = control.getBoundingClientRect();
      if (box.top < 0 || box.bottom > window.innerHeight) { control.scrollIntoView(false); }
    }
  }

  function onKey(event) {
    var key = event.keyCode, current = document.activeElement;
    if (event.altKey || event.ctrlKey || event.metaKey) { return; }
    if (key === ENTER && current && current.type === "checkbox") {
      event.preventDefault();
      current.click();
    }
    if (key < LEFT || key > DOWN) { return; }
    var target;
    if (!current || current === document.body || !visible(current)) {
      target = controls()[0];
    } else if (!insideText(current, key)) {
      target = neighbour(current, key);
    }
    if (target) {
      event.preventDefault();
      focus(target);
    }
  }

  function onPress(button, act) {
    button.onclick = function (event) {
      event.preventDefault();
      act();
    };
  }

  /* Shows `words` as a code to scan, where the service can draw one. */
  function code(image, words) {
    image.onload = function () { show(image, true); };
    image.onerror = function () { show(image, false); };
    image.src = WaveService.page("qr", "text=" + encodeURIComponent(words));
  }

  /* A line of text as its parts: what is between line ends or commas, without blanks. */
  function lines(value, commas) {
    return value.split(commas ? /[\n,]+/ : /\n+/).map(function (line) {
      return line.replace(/^\s+|\s+$/g, "");
    }).filter(function (line) { return line !== ""; });
  }

  /* In the order in which they run: capitals do not come first. */
  function sorted(names) {
    return names.sort(function (one, other) {
      var a = one.toLowerCase(), b = other.toLowerCase();
      return a < b ? -1 : a > b ? 1 : 0;
    });
  }

  /* A browser that nobody knows has the version 0, which says nothing. */
  function browser(found) {
    return found.name + (found.version === "0" ? "" : " " + found.version);
  }

  function clock(iso) {
    var at = new Date(iso);
    return iso && !isNaN(at.getTime()) ? at.toLocaleString() : "-";
  }

  document.addEventListener("keydown", onKey, false);
  window.addEventListener("load", function () {
    var active = document.activeElement;
    if (active && active !== document.body) { return; }
    var first = document.querySelector("[data-first]");
    if (first && visible(first)) { first.focus(); }
  }, false);

  return {
    byId: byId, text: text, node: node, show: show, query: query, say: say, reason: reason,
    go: go, withToken: withToken, keep: keep, kept: kept, list: list, onPress: onPress,
    lines: lines, pause: pause, code: code, clock: clock, sorted: sorted,
    browser: browser, focus: focus
  };
})();
