"""What the OpenAPI document says of the operations on what runs in machines."""

from __future__ import annotations

from typing import Final

from sessions.dialects.native import parameters, problems, wire_executions
from sessions.dialects.native.operation import LOCATION, Operation, json_of

SESSIONS_EXECUTIONS_ADD: Final = Operation(
    tag="machines",
    scope="sessions:write",
    parameters=(parameters.SESSION_ID,),
    body=wire_executions.NewExecution,
    answers=(
        json_of(wire_executions.ExecutionView, "It ended.", LOCATION, status=201),
        json_of(wire_executions.ExecutionView, "It will run.", LOCATION, status=202),
    ),
    problems=(*problems.WRITE, *problems.BODY, *problems.MACHINE, "session_deleted"),
    text="A program that fails is no refusal: its `exit_code` says so. `secrets` of the session "
    "are in the environment of every program; python keeps its variables from one to the next. "
    "The `spec` of the session may say how large the machine is: `vcpu_count`, `memory_mb`, "
    "`vm_lifetime_seconds`, and with `snapshot_id` what it begins with.",
)

SESSIONS_EXECUTIONS: Final = Operation(
    tag="machines",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, *parameters.HISTORY_PAGE),
    answers=(json_of(wire_executions.ExecutionList, "A page of executions."),),
    problems=problems.HISTORY,
)

SESSIONS_EXECUTIONS_GET: Final = Operation(
    tag="machines",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, parameters.EXECUTION_ID),
    answers=(json_of(wire_executions.ExecutionView, "The execution."),),
    problems=(*problems.READ, "not_found"),
    text="The whole output of late executions is there, of earlier ones the first part of it.",
)
