"""From the shapes of older vocabularies to today's, one step each; the log stays as it is."""

from __future__ import annotations

from typing import Any, Final

Data = dict[str, Any]


def secrets_out_of_spec(data: Data) -> Data:
    """`session.created` 1 -> 2: what Devin's and InstaVM's creates had sealed leaves `spec`.

    The dialect decides, not the look of a value: a client of another one may have put any text
    where these two kept theirs.
    """
    spec = data.get("spec", {})
    if data["dialect"] == "devin" and "session_secrets" in spec:
        listed = spec["session_secrets"]
        kept = [{k: v for k, v in secret.items() if k != "value"} for secret in listed]
        sealed = {secret["key"]: secret["value"] for secret in listed}
        return {**data, "spec": {**spec, "session_secrets": kept}, "secrets": sealed}
    if data["dialect"] == "instavm" and "env" in spec:
        rest = {name: value for name, value in spec.items() if name != "env"}
        return {**data, "spec": rest, "secrets": spec["env"]}
    return data


UPCASTERS: Final = {("session.created", 1): secrets_out_of_spec}
