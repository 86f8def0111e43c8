/* A run as it goes: progress, last results, and the orders that can be given to it. */
(function () {
  "use strict";

  // Events may come by the hundred; the page asks at most this often.
  var REFRESH_MS = 1000;
  var PARTS = ["pass", "fail", "timeout", "not_run"];
  var ORDERS = { start: ["pending", "paused"], pause: ["running"],
    stop: ["pending", "running", "paused"] };
  var token = Page.query("token"), rows = {}, broken = [], due = null, busy = false;
  var buttons = { start: Page.byId("start"), pause: Page.byId("pause"), stop: Page.byId("stop") };

  function failed(status, body) { Page.say(Page.reason(status, body), "bad"); }

  function soon() {
    if (due === null) { due = setTimeout(refresh, busy ? REFRESH_MS : 0); }
  }

  function refresh() {
    due = null;
    busy = true;
    setTimeout(function () { busy = false; }, REFRESH_MS);
    WaveService.readSessionStatus(token, present, failed);
    WaveService.readResultsCompact(token, count);
    WaveService.readLastCompletedTests(token, ["pass", "fail", "timeout"], recent);
    WaveService.readTests(token, running);
    WaveService.readMalfunctioningTests(token, malfunctioning);
  }

  function present(now) {
    var order, focused = document.activeElement, lost = false;
    Page.text(Page.byId("state"), now.status).className = "state " + now.status;
    Page.say("");
    Page.show(Page.byId("session"), true);
    for (order in ORDERS) {
      var may = ORDERS[order].indexOf(now.status) >= 0;
      lost = lost || (!may && focused === buttons[order]);
      Page.show(buttons[order], may);
    }
    Page.text(buttons.start, now.status === "pending" ? "Start" : "Go on");
    Page.show(Page.byId("configure"), now.status === "pending");
    Page.show(Page.byId("export"), now.status === "completed");
    if (lost || focused === document.body) { focusFirst(); }
  }

  /* The focus never ends on a button that went away. */
  function focusFirst() {
    for (var order in buttons) {
      if (buttons[order].className.indexOf("hidden") < 0) { buttons[order].focus(); return; }
    }
    Page.byId("json").focus();
  }

  function row(api) {
    var made = { line: Page.node("tr"), cells: {} };
    var name = Page.node("th", "", api), done = Page.node("td"), bar = Page.node("span", "bar");
    var file = Page.node("td", "file"), link = Page.node("a", "", "JSON");
    name.scope = "row";
    made.words = Page.node("span");
    made.link = link;
    made.bar = Page.node("span");
    bar.appendChild(made.bar);
    done.appendChild(made.words);
    done.appendChild(bar);
    made.line.appendChild(name);
    made.line.appendChild(done);
    PARTS.forEach(function (part) {
      var cell = made.cells[part] = Page.node("td", "count " + part);
      cell.setAttribute("data-name", part.replace("_", " "));
      made.line.appendChild(cell);
    });
    link.href = WaveService.apiResultLink(token, api);
    link.setAttribute("aria-label", "Results of " + api + " as JSON");
    file.appendChild(link);
    made.line.appendChild(file);
    Page.byId("apis").appendChild(made.line);
    return made;
  }

  function fillBar(bar, complete, total) {
    bar.style.width = (total ? Math.min(100, 100 * complete / total) : 0) + "%";
    bar.className = total && complete >= total ? "done" : "";
  }

  function count(compact) {
    var names = Page.sorted(Object.keys(compact || {})), complete = 0, total = 0;
    names.forEach(function (api) {
      var counts = compact[api], shown = rows[api] = rows[api] || row(api);
      complete += counts.complete;
      total += counts.total;
      Page.text(shown.words, counts.complete + " / " + counts.total);
      fillBar(shown.bar, counts.complete, counts.total);
      Page.show(shown.link, counts.complete > 0);
      PARTS.forEach(function (part) { Page.text(shown.cells[part], counts[part]); });
    });
    for (var api in rows) { Page.show(rows[api].line, names.indexOf(api) >= 0); }
    Page.show(Page.byId("no_apis"), !names.length);
    Page.text(Page.byId("progress"), complete + " of " + total + " tests done");
    fillBar(Page.byId("bar"), complete, total);
  }

  function path(test) { return typeof test === "string" ? test : String(test && test.test); }

  /* Shows the paths in place: a focused button stays where it is while others come and go. */
  function list(element, paths, action, act) {
    var old = {}, focused = document.activeElement;
    var inside = focused !== document.body && element.contains(focused);
    Page.list(element.children).forEach(function (line) { old[line.firstChild.textContent] = line; });
    paths.forEach(function (one, index) {
      var line = old[one] || entry(one, action, act);
      delete old[one];
      if (element.children[index] !== line) {
        element.insertBefore(line, element.children[index] || null);
      }
    });
    for (var gone in old) { element.removeChild(old[gone]); }
    if (!inside) { return; }
    if (document.body.contains(focused) && element.contains(focused)) {
      if (document.activeElement !== focused) { focused.focus(); }
    } else {
      (element.querySelector("button") || Page.byId("json")).focus();
    }
  }

  function entry(one, action, act) {
    var line = Page.node("li"), button = Page.node("button", "small", action);
    line.appendChild(Page.node("span", "", one));
    line.appendChild(document.createTextNode(" "));
    button.type = "button";
    button.setAttribute("aria-label", action + " " + one);
    Page.onPress(button, function () { act(one); });
    line.appendChild(button);
    return line;
  }

  function recent(found) {
    var last = found || {};
    [[Page.byId("last_pass"), last.pass], [Page.byId("last_fail"), last.fail],
      [Page.byId("last_timeout"), last.timeout]].forEach(function (one) {
        list(one[0], (one[1] || []).map(path), "Mark", mark);
      });
  }

  function running(tests) {
    var now = [];
    for (var api in tests.running_tests || {}) { now = now.concat(tests.running_tests[api]); }
    list(Page.byId("running"), now, "Mark", mark);
  }

  function malfunctioning(paths) {
    broken = paths || [];
    list(Page.byId("malfunctioning"), broken, "Remove", unmark);
  }

  function replace(paths) {
    WaveService.updateMalfunctioningTests(token, paths, function () {
      malfunctioning(paths);
    }, failed);
  }

  function mark(one) {
    if (broken.indexOf(one) < 0) { replace(broken.concat([one])); }
  }

  function unmark(one) {
    replace(broken.filter(function (other) { return other !== one; }));
  }

  function paths(some) { return some.length === 1 ? some[0] : some.length + " paths"; }

  function about(session) {
    var tests = session.tests, whole = tests.include.indexOf("/") >= 0 || !tests.include.length;
    Page.text(Page.byId("about"), [
      Page.browser(session.browser),
      "made " + Page.clock(session.date_created),
      session.types.join(" and ") || "no types",
      whole ? "all tests" : "tests under " + paths(tests.include)
    ].concat(tests.exclude.length ? ["without " + paths(tests.exclude)] : []).join(", "));
    Page.byId("labels").value = session.labels.join(", ");
  }

  function links() {
    Page.byId("configure").href = Page.withToken("configuration.html", token);
    Page.byId("json").href = WaveService.allResultsLink(token);
    Page.byId("overview").href = WaveService.overviewLink(token);
    Page.byId("export").href = WaveService.exportLink(token);
    Page.byId("compare").href = WaveService.page("comparison.html", "tokens=" + token);
  }

  function open(found) {
    token = found;
    Page.text(Page.byId("short"), token.slice(0, 8));
    Page.text(Page.byId("token"), token);
    links();
    Page.onPress(buttons.start, function () { WaveService.startSession(token, soon, failed); });
    Page.onPress(buttons.pause, function () { WaveService.pauseSession(token, soon, failed); });
    Page.onPress(buttons.stop, function () { WaveService.stopSession(token, soon, failed); });
    WaveService.readSession(token, about, failed);
    refresh();
    WaveService.addSessionEventListener(token, soon, function (status) {
      if (status === 200) { soon(); } else { failed(status); }
    });
  }

  Page.byId("relabel").onsubmit = function (event) {
    event.preventDefault();
    WaveService.updateLabels(token, Page.lines(Page.byId("labels").value, true), function () {
      Page.say("Labels set.", "good");
    }, failed);
  };
  if (token.length === 36) {
    open(token);
  } else if (token) {
    WaveService.findToken(token, open, failed);
  } else {
    Page.say("This address names no session.", "bad");
  }
})();
