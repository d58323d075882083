//! Work items.

use windlass_capsule::{ItemFilter, MAX_PAGE, Op, ReadError, Reader};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{
    AddItem, AnswerContext, Caller, EditItem, HoldItem, ItemRef, ListItems, MoveItem,
};
use windlass_contract::view::{ItemList, ItemView};
use windlass_domain::admission::hold_for;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{ItemId, RunId, WorkspaceId};
use windlass_domain::item::{
    IntakeForm, ItemBody, ItemCommand, ItemType, PlanState, Priority, TaskState, WorkItem,
};

use windlass_domain::run::event::RunEvent;

use super::{faults, places, views};
use crate::clock;
use crate::shared::Shared;
use crate::store::Store;
use crate::tree::run_manager::RunManagerMessage;

/// Adds an item.
pub(super) async fn add(shared: &Shared, request: AddItem) -> Result<ItemView, Fault> {
    let (_, workspace) = places::workspace(shared, &request.folder).await?;
    let now = clock::now();
    let item = WorkItem {
        workspace_id: workspace.workspace_id,
        id: request.id,
        body: new_body(request.item_type),
        title: request.title,
        description: request.description,
        parent_id: request.parent_id,
        created_at: now,
        updated_at: now,
        version: 1,
        context: None,
    };
    let (workspace_id, id) = (item.workspace_id, item.id.clone());
    shared.store.write(Op::CreateItem(Box::new(item))).await.map_err(faults::write)?;
    find(&shared.store, workspace_id, id).await
}

fn new_body(item_type: ItemType) -> ItemBody {
    let (state, intake) = (PlanState::Backlog, IntakeForm::default());
    match item_type {
        ItemType::Project => ItemBody::Project,
        ItemType::Feature => {
            ItemBody::Feature { state, acceptance_criteria: Vec::new(), priority: Priority::P2, intake }
        }
        ItemType::Spec => ItemBody::Spec { state, prd_uri: None, intake },
        ItemType::Task => ItemBody::Task { state: TaskState::Open, assignee: None, result: None },
    }
}

/// Shows an item.
pub(super) async fn show(shared: &Shared, request: ItemRef) -> Result<ItemView, Fault> {
    let (_, workspace) = places::workspace(shared, &request.folder).await?;
    find(&shared.store, workspace.workspace_id, request.id).await
}

/// An item with what goes on for it.
async fn find(store: &Store, workspace_id: WorkspaceId, id: ItemId) -> Result<ItemView, Fault> {
    let wanted = id.clone();
    let found = store.read(move |reader| {
        let Some(item) = reader.item(workspace_id, &wanted)? else { return Ok(None) };
        let answers = item.context.map(|digest| reader.context(digest)).transpose()?;
        let view = views::item(reader, item)?;
        Ok(Some(ItemView { answers, ..view }))
    });
    found.await.map_err(faults::read)?.ok_or_else(|| faults::unknown_item(id.as_str()))
}

/// Lists items.
pub(super) async fn list(shared: &Shared, request: ListItems) -> Result<ItemList, Fault> {
    let (_, workspace) = places::workspace(shared, &request.folder).await?;
    let filter = ItemFilter {
        workspace_id: Some(workspace.workspace_id),
        item_type: request.item_type,
        state: request.state,
        limit: MAX_PAGE,
        ..ItemFilter::default()
    };
    let items = shared.store.read(move |reader| {
        let (items, unreadable) = all_items(reader, filter)?;
        let views = items.into_iter().map(|item| views::item(reader, item)).collect::<Result<Vec<_>, _>>()?;
        Ok((views, unreadable))
    });
    let (mut items, unreadable) = items.await.map_err(faults::read)?;
    if !shared.rescue && !unreadable.is_empty() {
        return Err(faults::unreadable(&unreadable));
    }
    if request.active {
        items.retain(|item| !item.active_runs.is_empty());
    }
    Ok(ItemList { items, unreadable })
}

/// The items, and what is wrong with those that cannot be read.
fn all_items(reader: &Reader, mut filter: ItemFilter) -> Result<(Vec<WorkItem>, Vec<String>), ReadError> {
    let (mut items, mut unreadable) = (Vec::new(), Vec::new());
    loop {
        let page = reader.items(&filter)?;
        items.extend(page.items);
        unreadable.extend(page.unreadable);
        if page.next.is_none() {
            return Ok((items, unreadable));
        }
        filter.after = page.next;
    }
}

/// Changes fields.
pub(super) async fn edit(shared: &Shared, caller: Caller, request: EditItem) -> Result<ItemView, Fault> {
    let command = ItemCommand::Edit { changes: Box::new(request.changes), by: caller.name };
    act(shared, &request.folder, request.id, command).await
}

/// Moves an item. Deprecation cancels its active runs in the same transaction; they are told here.
pub(super) async fn move_to(shared: &Shared, caller: Caller, request: MoveItem) -> Result<ItemView, Fault> {
    let command = ItemCommand::Move { to: request.to, by: caller.name };
    act(shared, &request.folder, request.id, command).await
}

/// Moves an item into a holding state.
pub(super) async fn hold(shared: &Shared, caller: Caller, request: HoldItem) -> Result<ItemView, Fault> {
    let command = ItemCommand::Move { to: hold_for(request.kind), by: caller.name };
    act(shared, &request.folder, request.id, command).await
}

async fn act(shared: &Shared, folder: &str, id: ItemId, command: ItemCommand) -> Result<ItemView, Fault> {
    let (_, workspace) = places::workspace(shared, folder).await?;
    let workspace_id = workspace.workspace_id;
    let op = Op::Item { workspace_id, work_item_id: id.clone(), command };
    let written = shared.store.write(op).await.map_err(faults::write)?;
    if let Some(tree) = shared.tree.borrow().clone() {
        for run_id in written.events().iter().filter_map(cancelled) {
            // A tree that is being built anew reads the cancel from the capsule.
            let _ = tree.runs.cast(RunManagerMessage::Cancel { run_id });
        }
    }
    find(&shared.store, workspace_id, id).await
}

/// The run that this event says is to be cancelled: a deprecation cancels in the same transaction.
const fn cancelled(event: &Event) -> Option<RunId> {
    match (&event.stream, &event.data) {
        (Stream::Run { run_id }, EventData::Run(RunEvent::CancelRequested(_))) => Some(*run_id),
        _ => None,
    }
}

/// Keeps the answers that a run needs. Incomplete answers are kept too: the gate is at the submission.
pub(super) async fn answer_context(
    shared: &Shared,
    caller: Caller,
    request: AnswerContext,
) -> Result<ItemView, Fault> {
    let (_, workspace) = places::workspace(shared, &request.folder).await?;
    let workspace_id = workspace.workspace_id;
    if request.context.goal.len() > 64 * 1024 {
        return Err(Fault::new(ErrorCode::BadRequest, "a goal has at most 64 KiB")
            .hint("shorten it, or link to a longer text"));
    }
    let op = Op::AnswerContext {
        workspace_id,
        work_item_id: request.id.clone(),
        context: Box::new(request.context),
        by: caller.name,
    };
    shared.store.write(op).await.map_err(faults::write)?;
    find(&shared.store, workspace_id, request.id).await
}
