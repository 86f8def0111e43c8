/* Asks for the next test and goes there; whatever fails, it asks again. */
(function () {
  "use strict";

  var token = Page.query("token"), timer = null, asked = 0;

  function ask() {
    if (timer !== null) { clearTimeout(timer); }
    timer = null;
    asked += 1;
    WaveService.readNextTest(token, go, again);
  }

  function go(url) {
    if (!/^https?:\/\//i.test(url || "")) { again(200); return; }
    Page.go(url);
  }

  function again(status, body) {
    var why = status === 200 ? "The answer names no test." : Page.reason(status, body);
    Page.say(why + " Asked " + asked + (asked === 1 ? " time" : " times") + ".", "bad");
    if (timer === null) { timer = setTimeout(ask, Page.pause(asked)); }
  }

  Page.text(Page.byId("short"), token.slice(0, 8));
  Page.onPress(Page.byId("again"), ask);
  if (token) {
    Page.keep("last", token);
    ask();
  } else {
    Page.say("This address names no session.", "bad");
  }
})();
