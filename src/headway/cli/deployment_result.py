"""What came of a deployment, wherever it was driven: its line or its document, and the exit code."""

from typing import TYPE_CHECKING

from headway.cli.deployment_screen import show_end
from headway.cli.output import emit_json
from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.wire.shapes_delivery import deployment_json, host_row_json

if TYPE_CHECKING:
    from headway.engine.deployments.deployments import Result

EXIT_CODES = {
    DeploymentState.SUCCEEDED: 0,
    DeploymentState.ROLLED_BACK: 1,
    DeploymentState.FAILED: 1,
    DeploymentState.CANCELLED: 130,
}


def finish(result: "Result", *, as_json: bool, going_back: bool = False) -> int:
    """`going_back`: a deployment that was taken back is what was asked for, but not a rollback that was."""
    if as_json:
        emit_json(result_document(result))
    else:
        show_end(result)
    if result.deployment is None:
        return 0
    state = result.deployment.state
    going_back = going_back and result.deployment.kind is not DeploymentKind.ROLLBACK
    if going_back and state in (DeploymentState.ROLLED_BACK, DeploymentState.CANCELLED):
        return 0
    return EXIT_CODES[state]


def result_document(result: "Result") -> dict[str, object]:
    return {
        "deployment": deployment_json(result.deployment) if result.deployment else None,
        "hosts": [host_row_json(row) for row in result.hosts],
        "resumed": result.resumed,
        "already_live": deployment_json(result.already_live) if result.already_live else None,
        "differences": list(result.differences),
    }
