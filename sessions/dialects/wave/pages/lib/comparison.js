/* Several sessions beside each other: what each passed per api, and which tests differ. */
(function () {
  "use strict";

  // More rows than this help nobody, and a phone would choke on them.
  var ROWS_MAX = 200, SESSIONS_MAX = 8;
  var typed = Page.lines(Page.query("tokens"), true).slice(0, SESSIONS_MAX);
  var sessions = [];

  function failed(status, body) { Page.say(Page.reason(status, body), "bad"); }

  function load(token) {
    var one = { token: token, compact: null, browser: "" };
    sessions.push(one);
    WaveService.readSession(token, function (session) {
      one.browser = [Page.browser(session.browser)].concat(session.labels).join(", ");
      WaveService.readResultsCompact(token, function (compact) {
        one.compact = compact || {};
        present();
      }, failed);
    }, failed);
  }

  function loaded() {
    return sessions.filter(function (one) { return one.compact !== null; });
  }

  function name(one) { return one.token.slice(0, 8) + " " + one.browser; }

  function heading(first, all) {
    var line = Page.node("tr");
    [first].concat(all.map(name)).forEach(function (words) {
      line.appendChild(Page.node("th", "", words));
    });
    return line;
  }

  /* On a narrow screen there are no heads: each cell says whose it is. */
  function row(first, all, words) {
    var line = Page.node("tr");
    line.appendChild(Page.node("th", "path", first));
    all.forEach(function (one, index) {
      var cell = Page.node("td", "", words[index]);
      cell.setAttribute("data-name", name(one));
      line.appendChild(cell);
    });
    return line;
  }

  function present() {
    var all = loaded(), apis = {};
    all.forEach(function (one) {
      for (var api in one.compact) { apis[api] = true; }
    });
    Page.say(all.length < sessions.length ? Page.byId("message").textContent : "");
    fill(Page.byId("heads"), [heading("Api", all)]);
    fill(Page.byId("rows"), Page.sorted(Object.keys(apis)).map(function (api) {
      return apiRow(api, all);
    }));
  }

  function fill(body, lines) {
    Page.text(body, "");
    lines.forEach(function (line) { body.appendChild(line); });
  }

  function apiRow(api, all) {
    var line = row("", all, all.map(function (one) { return share(one.compact[api]); }));
    var button = Page.node("button", "small", api);
    button.type = "button";
    button.setAttribute("aria-label", "Tests of " + api + " that differ");
    Page.onPress(button, function () { differences(api); });
    line.firstChild.appendChild(button);
    return line;
  }

  /* Numbers stay on one line, whatever stands around them. */
  function outOf(some, all) { return some + "\u00a0/\u00a0" + all; }

  function share(counts) {
    if (!counts) { return "-"; }
    var all = counts.pass + counts.fail + counts.timeout + counts.not_run;
    var percent = all ? " (" + Math.round(1000 * counts.pass / all) / 10 + "\u00a0%)" : "";
    var open = counts.complete < counts.total
      ? ", " + (counts.total - counts.complete) + " to do" : "";
    return outOf(counts.pass, all) + percent + open;
  }

  function differences(api) {
    var all = loaded(), left = all.length, found = [];
    Page.say("Reading the results of " + api);
    all.forEach(function (one, index) {
      WaveService.readResults(one.token, "/" + api + "/", function (results) {
        found[index] = verdicts((results || {})[api] || []);
        left -= 1;
        if (left === 0) { differ(api, all, found); }
      }, failed);
    });
  }

  function verdicts(results) {
    var byTest = {};
    results.forEach(function (result) { byTest[result.test] = verdict(result); });
    return byTest;
  }

  function verdict(result) {
    var subtests = result.subtests || [];
    var passed = subtests.filter(function (one) { return one.status === "PASS"; }).length;
    if (!subtests.length) { return result.status; }
    return (result.status === "OK" ? "" : result.status + "\u00a0") + outOf(passed, subtests.length);
  }

  function differ(api, all, found) {
    var tests = {}, names, lines = [];
    found.forEach(function (one) { for (var test in one) { tests[test] = true; } });
    names = Object.keys(tests).sort().filter(function (test) {
      return found.some(function (one) { return one[test] !== found[0][test]; });
    });
    names.slice(0, ROWS_MAX).forEach(function (test) {
      lines.push(row(test, all, found.map(function (one) { return one[test] || "no\u00a0result"; })));
    });
    Page.say("");
    Page.text(Page.byId("api"), api);
    Page.text(Page.byId("found"), names.length + " of " + Object.keys(tests).length + " tests" +
      (names.length > ROWS_MAX ? "; the first " + ROWS_MAX + " are shown" : "") +
      ". Shown is how many subtests passed.");
    fill(Page.byId("test_heads"), [heading("Test", all)]);
    fill(Page.byId("tests"), lines);
    Page.show(Page.byId("differences"), true);
  }

  function add(token) {
    var tokens = sessions.map(function (one) { return one.token; });
    if (tokens.indexOf(token) < 0) { tokens.push(token); }
    Page.go(WaveService.page("comparison.html", "tokens=" + tokens.slice(-SESSIONS_MAX).join(",")));
  }

  Page.byId("add").onsubmit = function (event) {
    event.preventDefault();
    var words = Page.byId("fragment").value.replace(/\s+/g, "");
    if (words.length === 36) { add(words); }
    else if (words) { WaveService.findToken(words, add, failed); }
  };
  typed.forEach(load);
  if (!typed.length) { Page.say("No session to compare yet.", ""); }
})();
