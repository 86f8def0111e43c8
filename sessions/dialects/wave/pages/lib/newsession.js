/* Where a device lands whose session nobody has started yet. */
(function () {
  "use strict";

  var token = Page.query("token");
  var check = Waiting.forSession(token, "pending", "Waiting for a start", function (event) {
    if (event.type === "resume" && event.data) {
      Page.go(Page.withToken("next.html", event.data));
    }
  });
  var link = document.createElement("a");

  link.href = Page.withToken("configuration.html", token);
  Page.byId("configure").href = link.href;
  Page.text(Page.byId("address"), link.href.split("?")[0]);
  Page.code(Page.byId("qr"), link.href);
  Page.text(Page.byId("token"), token);
  Page.onPress(Page.byId("start"), function () {
    WaveService.startSession(token, check, Waiting.failed);
  });
})();
