"""`sessiond doctor` in this process, with a cache and a data folder of its own."""

import json

from sessions import cli

SETTINGS = ("DATA", "CONFIG", "VM", "VM_CACHE", "BROWSERS", "BROWSER_PROGRAM")


class Doctor:
    """Runs the command: code, output and complaints."""

    def __init__(self, folder, monkeypatch, capsys):
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setattr("sessions.logging.configure", lambda *_: None)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name in SETTINGS:
            monkeypatch.delenv(f"SESSIOND_{name}", raising=False)

    def __call__(self, *options, **env):
        with self._monkeypatch.context() as changed:
            for name, value in env.items():
                changed.setenv(name, value)
            try:
                code: object = cli.run(["doctor", "--data", str(self.folder / "data"), *options])
            except SystemExit as left:
                code = left.code
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def findings(self, name, *options, **env):
        """Code, what is found about the runtime of that name, complaints."""
        code, out, err = self("--json", *options, **env)
        [found] = [each for each in json.loads(out)["runtimes"] if each["name"] == name]
        return code, found, err
