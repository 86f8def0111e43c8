/* What a new device can do, before it is given a session. */
(function () {
  "use strict";

  var OFF_MS = 60 * 1000;

  function ask() {
    WaveService.readStatus(function (found) {
      var version = found && found.version_string ? " (" + found.version_string + ")" : "";
      Page.say("The service answers" + version + ".", "good");
      clock();
    }, function (status, body) { Page.say(Page.reason(status, body), "bad"); });
  }

  function clock() {
    var off = Math.abs(WaveService.now() - new Date().getTime());
    Page.text(Page.byId("clock"), off < OFF_MS ? "agrees with the service"
      : "differs from the service by " + Math.round(off / 1000) + " s");
  }

  function storage() {
    var mark = String(new Date().getTime());
    Page.keep("check", mark);
    return Page.kept("check") === mark ? "works" : "not there: a run is not offered again here";
  }

  function screenSize() {
    Page.text(Page.byId("screen"), window.innerWidth + " x " + window.innerHeight);
  }

  document.addEventListener("keydown", function (event) {
    Page.text(Page.byId("key"), (event.key || "") + " (code " + event.keyCode + ")");
  }, false);
  window.addEventListener("resize", screenSize, false);
  Page.onPress(Page.byId("again"), ask);
  screenSize();
  Page.text(Page.byId("storage"), storage());
  Page.text(Page.byId("agent"), navigator.userAgent);
  ask();
})();
