/* Sends the result that a test page could not send, until the service has it, and goes on. */
(function () {
  "use strict";

  var REFUSED_MS = 3000;
  var token = Page.query("token"), timer = null, sent = 0;

  function parsed(text) {
    try { return JSON.parse(text); } catch (error) { return null; }
  }

  var result = parsed(Page.query("result"));

  function next() { Page.go(Page.withToken("next.html", token)); }

  function send() {
    if (timer !== null) { clearTimeout(timer); }
    timer = null;
    sent += 1;
    WaveService.createResult(token, result, next, again);
  }

  function again(status, body) {
    // What the service will never take must not hold up the rest of the run.
    var refused = status >= 400 && status < 500 && status !== 408 && status !== 429;
    var then = refused ? " Going on without this result." : " Sent " + sent + "x; again soon.";
    Page.say(Page.reason(status, body) + then, "bad");
    if (timer === null) {
      timer = setTimeout(refused ? next : send, refused ? REFUSED_MS : Page.pause(sent));
    }
  }

  Page.text(Page.byId("short"), token.slice(0, 8));
  Page.text(Page.byId("test"), result && result.test);
  Page.byId("next").href = Page.withToken("next.html", token);
  Page.onPress(Page.byId("again"), function () { if (token && result) { send(); } });
  if (!token) {
    Page.say("This address names no session.", "bad");
  } else if (!result) {
    Page.say("This address holds no result. Going on without it.", "bad");
    setTimeout(next, REFUSED_MS);
  } else {
    send();
  }
})();
