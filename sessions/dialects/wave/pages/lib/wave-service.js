/* The calls of the WAVE API for a browser: a callback for 200, another for everything else. */
var WaveService = (function () {
  "use strict";

  var RETRY_MS = 1000;
  // Longer than the service holds a poll: a connection that died unseen ends here.
  var POLL_MS = 75000;
  var CALL_MS = 30000;
  var ALL_EVENTS = -1;
  var root = rootOfThisScript();
  var clockAheadMs = 0;

  function rootOfThisScript() {
    var scripts = document.getElementsByTagName("script");
    for (var i = scripts.length - 1; i >= 0; i--) {
      var at = scripts[i].src.indexOf("lib/wave-service.js");
      if (at > 0) { return scripts[i].src.slice(0, at); }
    }
    return "/_wave/";
  }

  function parsed(text) {
    if (!text) { return null; }
    try { return JSON.parse(text); } catch (error) { return null; }
  }

  function noteClock(xhr) {
    var at = Date.parse(xhr.getResponseHeader("Date") || "");
    if (!isNaN(at)) { clockAheadMs = at - new Date().getTime(); }
  }

  function send(method, path, body, done, failed, waitMs) {
    var xhr = new XMLHttpRequest();
    xhr.open(method, root + "api/" + path, true);
    xhr.timeout = waitMs || CALL_MS;
    if (typeof body === "string") { xhr.setRequestHeader("Content-Type", "application/json"); }
    xhr.onreadystatechange = function () {
      if (xhr.readyState !== 4) { return; }
      if (xhr.status === 200) {
        noteClock(xhr);
        if (done) { done(parsed(xhr.responseText)); }
      } else if (failed) {
        failed(xhr.status, parsed(xhr.responseText));
      }
    };
    xhr.send(body === undefined ? null : body);
    return xhr;
  }

  function call(method, path, value, done, failed) {
    send(method, path, value === undefined ? undefined : JSON.stringify(value), done, failed);
  }

  function read(path, done, failed) { call("GET", path, undefined, done, failed); }

  function tokenTo(done, failed) {
    return function (answer) {
      if (answer && answer.token) { done(answer.token); } else if (failed) { failed(200, answer); }
    };
  }

  function at(kind, token, more) {
    return kind + "/" + encodeURIComponent(token) + (more ? "/" + more : "");
  }

  /* Polls until stop() is called, whatever happens: `heard` gets each event, `idle` is told when
     a poll ended without one (status 200) or failed (another status, 0 where nothing answered),
     and when the service answers again after that (200). */
  function listen(pathAfter, heard, idle) {
    var stopped = false, last = ALL_EVENTS, waiting = null, timer = null;
    function next() {
      timer = null;
      if (!stopped) { waiting = send("GET", pathAfter(last), undefined, took, lost, POLL_MS); }
    }
    function took(events) {
      if (stopped) { return; }
      var list = events instanceof Array ? events : [];
      for (var i = 0; i < list.length && !stopped; i++) {
        if (typeof list[i].number === "number") { last = Math.max(last, list[i].number); }
        heard(list[i]);
      }
      if (!stopped && !list.length && idle) { idle(200); }
      if (!stopped) { timer = setTimeout(next, 0); }
    }
    function lost(status) {
      if (stopped) { return; }
      if (idle) { idle(status); }
      timer = setTimeout(back, RETRY_MS);
    }
    /* A poll may wait for a minute: what was missed is to be known as soon as there is an answer. */
    function back() {
      timer = null;
      if (!stopped) { waiting = send("GET", "status", undefined, found, lost); }
    }
    function found() {
      if (stopped) { return; }
      if (idle) { idle(200); }
      next();
    }
    next();
    return { stop: function () {
      stopped = true;
      if (timer !== null) { clearTimeout(timer); }
      if (waiting) { waiting.abort(); }
    } };
  }

  function stamp() { return "id=" + new Date().getTime(); }

  function link(path) { return root + "api/" + path; }

  return {
    /* Milliseconds since the epoch by the clock of the service: that of a TV may be years off. */
    now: function () { return new Date().getTime() + clockAheadMs; },
    page: function (name, query) { return root + name + (query ? "?" + query : ""); },
    readStatus: function (done, failed) { read("status", done, failed); },

    createSession: function (session, done, failed) {
      call("POST", "sessions", session, tokenTo(done, failed), failed);
    },
    readSession: function (token, done, failed) { read(at("sessions", token), done, failed); },
    readSessions: function (index, count, done, failed) {
      read("sessions?expand=configuration,status&index=" + index + "&count=" + count, done, failed);
    },
    readSessionStatus: function (token, done, failed) {
      read(at("sessions", token, "status"), done, failed);
    },
    readPublicSessions: function (done, failed) { read("sessions/public", done, failed); },
    updateSession: function (token, session, done, failed) {
      call("PUT", at("sessions", token), session, done, failed);
    },
    updateLabels: function (token, labels, done, failed) {
      call("PUT", at("sessions", token, "labels"), { labels: labels }, done, failed);
    },
    findToken: function (fragment, done, failed) {
      read(at("sessions", fragment), tokenTo(done, failed), failed);
    },
    startSession: function (token, done, failed) {
      call("POST", at("sessions", token, "start"), undefined, done, failed);
    },
    pauseSession: function (token, done, failed) {
      call("POST", at("sessions", token, "pause"), undefined, done, failed);
    },
    stopSession: function (token, done, failed) {
      call("POST", at("sessions", token, "stop"), undefined, done, failed);
    },
    resumeSession: function (token, resumeToken, done, failed) {
      call("POST", at("sessions", token, "resume"), { resume_token: resumeToken }, done, failed);
    },
    deleteSession: function (token, done, failed) {
      call("DELETE", at("sessions", token), undefined, done, failed);
    },
    addSessionEventListener: function (token, heard, idle) {
      return listen(function (last) {
        return at("sessions", token, "events?last_event=" + last + "&" + stamp());
      }, heard, idle);
    },
    sendSessionEvent: function (token, type, data, done, failed) {
      call("POST", at("sessions", token, "events"), { type: type, data: data }, done, failed);
    },

    readTestList: function (done, failed) { read("tests", done, failed); },
    readAvailableApis: function (done, failed) { read("tests/apis", done, failed); },
    readTests: function (token, done, failed) { read(at("tests", token), done, failed); },
    readNextTest: function (token, done, failed) {
      read(at("tests", token, "next"), function (next) { done(next && next.next_test); }, failed);
    },
    readLastCompletedTests: function (token, statuses, done, failed) {
      var asked = statuses && statuses.length ? "?status=" + statuses.join(",") : "";
      read(at("tests", token, "last_completed" + asked), done, failed);
    },
    readMalfunctioningTests: function (token, done, failed) {
      read(at("tests", token, "malfunctioning"), done, failed);
    },
    updateMalfunctioningTests: function (token, paths, done, failed) {
      call("PUT", at("tests", token, "malfunctioning"), paths, done, failed);
    },

    createResult: function (token, result, done, failed) {
      call("POST", at("results", token), result, done, failed);
    },
    readResults: function (token, path, done, failed) {
      var asked = path ? "?path=" + encodeURIComponent(path) : "";
      read(at("results", token) + asked, done, failed);
    },
    readResultsCompact: function (token, done, failed) {
      read(at("results", token, "compact"), done, failed);
    },
    readResultsConfig: function (done, failed) { read("results/config", done, failed); },
    uploadApiResult: function (token, api, file, done, failed) {
      send("POST", at("results", token, encodeURIComponent(api) + "/json"), file, done, failed);
    },
    importResults: function (file, done, failed) {
      send("POST", "results/import", file, tokenTo(done, failed), failed);
    },
    readReportUri: function (token, api, done, failed) {
      read(at("results", token, encodeURIComponent(api) + "/reporturl"), done, failed);
    },
    readMultiReportUri: function (tokens, api, done, failed) {
      read(at("results", api, "reporturl?tokens=" + tokens.join(",")), done, failed);
    },
    apiResultLink: function (token, api) {
      return link(at("results", token, encodeURIComponent(api) + "/json"));
    },
    allResultsLink: function (token) { return link(at("results", token, "json")); },
    exportLink: function (token) { return link(at("results", token, "export")); },
    overviewLink: function (token) { return link(at("results", token, "overview")); },

    registerDevice: function (done, failed) {
      call("POST", "devices", undefined, tokenTo(done, failed), failed);
    },
    readDevices: function (done, failed) { read("devices", done, failed); },
    readDevice: function (token, done, failed) { read(at("devices", token), done, failed); },
    sendDeviceEvent: function (token, event, done, failed) {
      call("POST", at("devices", token, "events"), event, done, failed);
    },
    /* Listening on its own channel is also what keeps a device registered. */
    addDeviceEventListener: function (token, heard, idle) {
      return listen(function (last) {
        var own = "events?device_token=" + encodeURIComponent(token) + "&last_event=" + last;
        return at("devices", token, own + "&" + stamp());
      }, heard, idle);
    },
    addGlobalDeviceEventListener: function (heard, idle) {
      return listen(function () { return "devices/events?" + stamp(); }, heard, idle);
    }
  };
})();
