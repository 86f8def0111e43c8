/* Where a device lands whose session nobody has started yet. */
(function () {
  "use strict";

  var token = Page.query("token");

  function onStatus(status) {
    if (status === "pending") {
      Page.say("Waiting for a start", "good");
    } else {
      Page.go(Page.withToken("next.html", token));
    }
  }

  function check(status) {
    if (status !== 200) { Page.say(Page.reason(status) + " Trying again.", "bad"); }
    WaveService.readSessionStatus(token, function (now) { onStatus(now.status); }, failed);
  }

  function failed(status, body) { Page.say(Page.reason(status, body), "bad"); }

  function onEvent(event) {
    if (event.type === "status") { check(200); }
    if (event.type === "resume" && event.data) {
      Page.go(Page.withToken("next.html", event.data));
    }
  }

  var link = document.createElement("a");
  link.href = Page.withToken("configuration.html", token);
  Page.byId("configure").href = link.href;
  Page.text(Page.byId("address"), link.href.split("?")[0]);
  Page.code(Page.byId("qr"), link.href);
  Page.text(Page.byId("short"), token.slice(0, 8));
  Page.text(Page.byId("token"), token);
  Page.onPress(Page.byId("start"), function () {
    WaveService.startSession(token, function () { check(200); }, failed);
  });
  if (token) {
    check(200);
    WaveService.addSessionEventListener(token, onEvent, check);
  } else {
    failed(404);
  }
})();
