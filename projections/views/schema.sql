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
    deleted    INTEGER NOT NULL,
    text       TEXT NOT NULL,
    state      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_by_id__N__ ON sessions__NEXT__ (id);
CREATE INDEX sessions_in_order__N__
ON sessions__NEXT__ (tenant, created, kind, status, owner, created_at) WHERE deleted = 0;
CREATE INDEX sessions_by_status__N__
ON sessions__NEXT__ (tenant, kind, status, created) WHERE deleted = 0;
CREATE INDEX sessions_by_deadline__N__
ON sessions__NEXT__ (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE session_labels__NEXT__ (
    created INTEGER NOT NULL,
    label   TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    PRIMARY KEY (created, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_labels_by_label__N__ ON session_labels__NEXT__ (label, tenant, created);

CREATE TABLE vms__NEXT__ (
    created INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    session TEXT NOT NULL,
    status  TEXT NOT NULL,
    state   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX vms_by_id__N__ ON vms__NEXT__ (id);
CREATE INDEX vms_by_session__N__ ON vms__NEXT__ (session, created);
CREATE INDEX vms_in_order__N__ ON vms__NEXT__ (tenant, created, status);

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
    state   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX catalog_by_id__N__ ON catalog__NEXT__ (id);
CREATE INDEX catalog_by_parent__N__ ON catalog__NEXT__ (tenant, type, parent, created);
