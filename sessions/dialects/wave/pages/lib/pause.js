/* Where a device waits while its session is paused. */
(function () {
  "use strict";

  var token = Page.query("token");

  function onStatus(status) {
    if (status === "paused") {
      Page.say("Waiting to go on", "good");
    } else {
      Page.go(Page.withToken("next.html", token));
    }
  }

  function check(status) {
    if (status !== 200) { Page.say(Page.reason(status) + " Trying again.", "bad"); }
    WaveService.readSessionStatus(token, function (now) { onStatus(now.status); }, failed);
  }

  function failed(status, body) { Page.say(Page.reason(status, body), "bad"); }

  function order(act) {
    return function () { act(token, function () { check(200); }, failed); };
  }

  Page.text(Page.byId("short"), token.slice(0, 8));
  Page.byId("results").href = Page.withToken("results.html", token);
  Page.onPress(Page.byId("start"), order(WaveService.startSession));
  Page.onPress(Page.byId("stop"), order(WaveService.stopSession));
  if (token) {
    check(200);
    // An event may be an old one: the channel begins with the first. What counts is the status now.
    WaveService.addSessionEventListener(token, function (event) {
      if (event.type === "status") { check(200); }
    }, check);
  } else {
    failed(404);
  }
})();
