/* The first page of a device: it registers, makes a session, and waits to be sent to its tests. */
(function () {
  "use strict";

  var EXPIRES_MS = 30 * 60 * 1000;
  var RETRY_MS = 1000;
  var device = "", token = "", deviceEvents = null, sessionEvents = null;

  function retry(act) {
    return function (status, body) {
      Page.say(Page.reason(status, body) + " Trying again.", "bad");
      setTimeout(act, RETRY_MS);
    };
  }

  function register() {
    WaveService.registerDevice(function (made) {
      device = made;
      Page.text(Page.byId("device"), made);
      if (deviceEvents) { deviceEvents.stop(); }
      deviceEvents = WaveService.addDeviceEventListener(made, onDeviceEvent, checkDevice);
      if (!token) { create(); }
    }, retry(register));
  }

  function checkDevice(status) {
    if (status !== 200) { return; }
    WaveService.readDevice(device, function () { return; }, function (missing) {
      if (missing === 404) { register(); }
    });
  }

  function onDeviceEvent(event) {
    if (event.type === "start_session" && event.data && event.data.session_token) {
      Page.go(Page.withToken("next.html", event.data.session_token));
    }
  }

  function create() {
    var expires = Math.floor(WaveService.now() + EXPIRES_MS);
    var session = { tests: { include: ["/"], exclude: [] }, expiration_date: expires };
    WaveService.createSession(session, function (made) {
      token = made;
      present();
      if (sessionEvents) { sessionEvents.stop(); }
      sessionEvents = WaveService.addSessionEventListener(made, onSessionEvent, checkSession);
    }, retry(create));
  }

  function onSessionEvent(event) {
    if (event.type === "resume" && event.data) {
      Page.go(Page.withToken("next.html", event.data));
    } else if (event.type === "status") {
      checkSession(200);
    }
  }

  function onStatus(status) {
    if (status === "running" || status === "paused") {
      Page.go(Page.withToken("next.html", token));
    } else if (status === "aborted" || status === "completed") {
      create();
    }
  }

  /* What a poll may have missed: the session started, was stopped, or is gone. */
  function checkSession(status) {
    if (status !== 200) {
      Page.say(Page.reason(status) + " Trying again.", "bad");
    }
    WaveService.readSessionStatus(token, function (now) {
      Page.say("Waiting for a start", "good");
      onStatus(now.status);
    }, function (missing) {
      if (missing === 404) { create(); }
    });
  }

  function present() {
    var url = absolute(Page.withToken("configuration.html", token));
    Page.text(Page.byId("short"), token.slice(0, 8));
    Page.text(Page.byId("token"), token);
    Page.text(Page.byId("address"), absolute(WaveService.page("configuration.html")));
    Page.byId("configure").href = url;
    Page.code(Page.byId("qr"), url);
    Page.say("Waiting for a start", "good");
  }

  function absolute(url) {
    var link = document.createElement("a");
    link.href = url;
    return link.href;
  }

  function offerLast() {
    var last = Page.kept("last");
    if (!last) { return; }
    WaveService.readSessionStatus(last, function (found) {
      if (found.status !== "running" && found.status !== "paused") { return; }
      var resume = Page.byId("resume");
      resume.href = Page.withToken("next.html", last);
      Page.text(resume, "Go on with " + last.slice(0, 8) + " (" + found.status + ")");
      Page.show(resume, true);
    }, function (missing) {
      if (missing === 404) { Page.keep("last", ""); }
    });
  }

  Page.onPress(Page.byId("start"), function () {
    if (!token) { return; }
    WaveService.startSession(token, function () {
      Page.go(Page.withToken("next.html", token));
    }, function (status, body) { Page.say(Page.reason(status, body), "bad"); });
  });
  offerLast();
  register();
})();
