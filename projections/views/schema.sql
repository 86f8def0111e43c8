-- The read model. __NEXT__ is empty, or the suffix of the tables of a rebuild; __N__ numbers the
-- indexes, whose names outlive the renaming of their table. `created` is the position of the
-- creating commit: gapless, never reused, the order of every list and its cursor.

CREATE TABLE sessions__NEXT__ (
    created    INTEGER PRIMARY KEY,
    id         TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    dialect    TEXT NOT NULL,
    status     TEXT NOT NULL,
    owner      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deadline   INTEGER,
    tests_running INTEGER NOT NULL,
    browser_open INTEGER NOT NULL,
    waits_for_worker INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    text       TEXT NOT NULL,
    state      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_by_id__N__ ON sessions__NEXT__ (id);

CREATE TABLE session_labels__NEXT__ (
    created INTEGER NOT NULL,
    label   TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    PRIMARY KEY (created, label)
) STRICT, WITHOUT ROWID;

CREATE TABLE session_refs__NEXT__ (
    created INTEGER NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    PRIMARY KEY (created, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE vms__NEXT__ (
    created INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    session TEXT NOT NULL,
    status  TEXT NOT NULL,
    state   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX vms_by_id__N__ ON vms__NEXT__ (id);

CREATE TABLE vm_snapshots__NEXT__ (
    created INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    session TEXT NOT NULL,
    status  TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    state   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX vm_snapshots_by_id__N__ ON vm_snapshots__NEXT__ (id);

CREATE TABLE keys__NEXT__ (
    created INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    state   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX keys_by_id__N__ ON keys__NEXT__ (id);

CREATE TABLE catalog__NEXT__ (
    created INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    type    TEXT NOT NULL,
    parent  TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    state   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX catalog_by_id__N__ ON catalog__NEXT__ (id);

CREATE TABLE spans__NEXT__ (
    created INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    session TEXT NOT NULL,
    turn    INTEGER NOT NULL,
    type    TEXT NOT NULL,
    name    TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    state   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX spans_by_id__N__ ON spans__NEXT__ (id);

CREATE TABLE devices__NEXT__ (
    created INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    state   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX devices_by_id__N__ ON devices__NEXT__ (id);
