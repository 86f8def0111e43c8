/* The last page of a run: how it ended and what it counted. */
(function () {
  "use strict";

  var RETRY_MS = 2000;
  var PARTS = { pass: "passed", fail: "failed", timeout: "timed out", not_run: "not run" };
  var token = Page.query("token");

  function refresh() {
    WaveService.readSessionStatus(token, function (now) {
      present(now.status);
      WaveService.readResultsCompact(token, count);
      if (now.status === "running") { setTimeout(refresh, RETRY_MS); }
      if (now.status === "paused" || now.status === "pending") {
        Page.go(Page.withToken("next.html", token));
      }
    }, function (status, body) {
      Page.say(Page.reason(status, body), "bad");
      if (status !== 404) { setTimeout(refresh, RETRY_MS); }
    });
  }

  function present(status) {
    var words = {
      completed: ["Finished", "Every test has its result.", "good"],
      aborted: ["Stopped", "The session was stopped before every test had its result.", "bad"],
      running: ["Almost finished", "Waiting for the last results.", ""]
    }[status];
    if (!words) { return; }
    Page.text(Page.byId("title"), words[0]);
    Page.say(words[1], words[2]);
  }

  function count(apis) {
    var sum = { pass: 0, fail: 0, timeout: 0, not_run: 0, total: 0, complete: 0 };
    for (var api in apis) {
      for (var part in sum) { sum[part] += apis[api][part] || 0; }
    }
    Page.text(Page.byId("summary"), sum.complete + " of " + sum.total + " tests done. Their subtests:");
    for (var name in PARTS) { Page.text(parts[name], sum[name] + " " + PARTS[name]); }
  }

  var parts = {
    pass: Page.byId("pass"), fail: Page.byId("fail"), timeout: Page.byId("timeout"),
    not_run: Page.byId("not_run")
  };
  Page.text(Page.byId("short"), token.slice(0, 8));
  Page.byId("results").href = Page.withToken("results.html", token);
  if (token) {
    refresh();
  } else {
    Page.say(Page.reason(404), "bad");
  }
})();
