/* Where a device waits while its session is paused. */
(function () {
  "use strict";

  var token = Page.query("token");
  var check = Waiting.forSession(token, "paused", "Waiting to go on", function () {});

  function order(act) {
    return function () { act(token, check, Waiting.failed); };
  }

  Page.byId("results").href = Page.withToken("results.html", token);
  Page.onPress(Page.byId("start"), order(WaveService.startSession));
  Page.onPress(Page.byId("stop"), order(WaveService.stopSession));
})();
