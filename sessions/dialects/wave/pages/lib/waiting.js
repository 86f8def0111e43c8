/* What the pages share on which a device waits: for a start, or until its session goes on. */
var Waiting = (function () {
  "use strict";

  function failed(status, body) { Page.say(Page.reason(status, body), "bad"); }

  /* Says `words` while the session has `status`, else goes on to the next test; returns `check`,
     which looks again. `heard` is told of every other event. */
  function forSession(token, waits, words, heard) {
    function onStatus(status) {
      if (status === waits) {
        Page.say(words, "good");
      } else {
        Page.go(Page.withToken("next.html", token));
      }
    }

    function check(status) {
      if (status !== 200) { Page.say(Page.reason(status) + " Trying again.", "bad"); }
      WaveService.readSessionStatus(token, function (now) { onStatus(now.status); }, failed);
    }

    Page.text(Page.byId("short"), token.slice(0, 8));
    if (token) {
      check(200);
      // An event may be an old one: the channel begins with the first. What counts is the status now.
      WaveService.addSessionEventListener(token, function (event) {
        if (event.type === "status") { check(200); } else { heard(event); }
      }, check);
    } else {
      failed(404);
    }
    return function () { check(200); };
  }

  return { failed: failed, forSession: forSession };
})();
