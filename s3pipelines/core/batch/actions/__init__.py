"""The actions by name. A new one is a file here and a line below."""

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.actions.convert import ConvertAction
from s3pipelines.core.batch.actions.copy import CopyAction
from s3pipelines.core.batch.actions.delete import DeleteAction
from s3pipelines.core.batch.actions.empty_trash import EmptyTrashAction
from s3pipelines.core.batch.actions.metadata import MetadataAction
from s3pipelines.core.batch.actions.move import MoveAction
from s3pipelines.core.batch.actions.restore import RestoreAction
from s3pipelines.core.batch.actions.storage_class import StorageClassAction
from s3pipelines.core.batch.actions.tag import TagAction
from s3pipelines.core.batch.actions.undo import UndoAction, UndoParams
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.errors import Unreadable

ACTIONS: dict[str, type[Action]] = {
    action.name: action
    for action in (
        CopyAction,
        MoveAction,
        DeleteAction,
        TagAction,
        StorageClassAction,
        MetadataAction,
        RestoreAction,
        ConvertAction,
    )
}


def action_of(plan: Plan) -> Action:
    """What a plan does, as it was told when the plan was made.

    Raises:
        Unreadable: It was made by a newer release, which knows more actions.
    """
    if plan.action == UndoAction.name:
        params = UndoParams.model_validate(plan.params)
        return UndoAction(params, _action(params.action, params.params, plan.id))
    return _action(plan.action, plan.params, plan.id)


def _action(name: str, params: dict, plan_id: str) -> Action:
    kind = (ACTIONS | {EmptyTrashAction.name: EmptyTrashAction}).get(name)
    try:
        if kind is not None:
            return kind(kind.params_type.model_validate(params))
    except ValueError:
        pass
    raise Unreadable(
        f"The plan {plan_id} asks for {name!r} in a way that this release does not know.",
        hint="Upgrade s3pipelines on this machine.",
    )
