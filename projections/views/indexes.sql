-- The indexes that lists need; a rebuild makes them when all rows stand, which is faster.
-- Deleted sessions are in none of their own, but for the clocks and for browsers.

CREATE INDEX sessions_in_order__N__
ON sessions__NEXT__ (tenant, created, kind, status, owner, created_at) WHERE deleted = 0;
CREATE INDEX sessions_by_status__N__
ON sessions__NEXT__ (tenant, kind, status, created) WHERE deleted = 0;
CREATE INDEX sessions_by_owner__N__
ON sessions__NEXT__ (tenant, owner, created) WHERE deleted = 0;
CREATE INDEX sessions_by_deadline__N__
ON sessions__NEXT__ (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX sessions_with_tests_out__N__
ON sessions__NEXT__ (created) WHERE tests_running > 0 AND deleted = 0;
CREATE INDEX sessions_with_browsers__N__
ON sessions__NEXT__ (created) WHERE browser_open = 1;
CREATE INDEX sessions_waiting__N__
ON sessions__NEXT__ (tenant, kind, created) WHERE waits_for_worker = 1;
CREATE INDEX sessions_held__N__ ON sessions__NEXT__ (created) WHERE held = 1;
CREATE INDEX session_labels_by_label__N__ ON session_labels__NEXT__ (tenant, label, created);
CREATE INDEX session_refs_by_value__N__
ON session_refs__NEXT__ (name, value, tenant, created);
CREATE INDEX vms_by_session__N__ ON vms__NEXT__ (session, created);
CREATE INDEX vms_in_order__N__ ON vms__NEXT__ (tenant, created, status);
CREATE INDEX vms_there__N__
ON vms__NEXT__ (created) WHERE status NOT IN ('stopped', 'lost');
CREATE INDEX sessions_with_machines__N__ ON sessions__NEXT__ (created)
WHERE kind = 'vm' AND deleted = 0
AND status IN ('queued', 'starting', 'running', 'blocked', 'pausing', 'resuming');
CREATE INDEX vm_snapshots_there__N__ ON vm_snapshots__NEXT__ (created) WHERE deleted = 0;
CREATE INDEX vm_snapshots_in_order__N__
ON vm_snapshots__NEXT__ (tenant, created) WHERE deleted = 0;
CREATE INDEX vm_snapshots_by_session__N__
ON vm_snapshots__NEXT__ (session, created) WHERE deleted = 0;
CREATE INDEX catalog_by_parent__N__
ON catalog__NEXT__ (tenant, type, parent, created) WHERE deleted = 0;
CREATE INDEX spans_by_turn__N__ ON spans__NEXT__ (session, turn, created) WHERE deleted = 0;
CREATE INDEX spans_in_order__N__ ON spans__NEXT__ (tenant, created, type, name) WHERE deleted = 0;
CREATE INDEX devices_there__N__ ON devices__NEXT__ (created) WHERE deleted = 0;
