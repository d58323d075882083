//! The published JSON Schemas, made from the types, and which command prints which.

use schemars::{Schema, schema_for};
use windlass_domain::event::Event;
use windlass_domain::workspace::Workspace;

use crate::document::{
    ArtifactReply, BotRunCheckpoints, BotRunLog, DoctorReply, Document, ExportReply, KnowledgeEvidencePack,
    PatchBundle, PolicyCheckReply, PolicyReply, RebuildReply, ReplayReply, ResearchReport, ResultDocument,
    ReviewReport, RunDocument, ServiceFilesReply, ServiceUnitReply, StatusReply, VerificationReply,
    WebResearchBundle, WrittenReply,
};
use crate::view::{
    ApprovalList, CapsuleCopy, CapsuleStats, EventPage, ImportList, Imported, ItemList, ItemView,
    PolicyExplanation, RunPage,
};

/// Every published schema with its file name.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("artifact", schema_for!(Document<ArtifactReply>)),
        ("bot_run_checkpoints", schema_for!(BotRunCheckpoints)),
        ("bot_run_log", schema_for!(BotRunLog)),
        ("capsule_copy", schema_for!(Document<CapsuleCopy>)),
        ("capsule_stats", schema_for!(Document<CapsuleStats>)),
        ("doctor", schema_for!(Document<DoctorReply>)),
        ("event", schema_for!(Event)),
        ("event_page", schema_for!(Document<EventPage>)),
        ("export", schema_for!(Document<ExportReply>)),
        ("import", schema_for!(Document<Imported>)),
        ("import_list", schema_for!(Document<ImportList>)),
        ("item", schema_for!(Document<ItemView>)),
        ("approval_list", schema_for!(Document<ApprovalList>)),
        ("item_list", schema_for!(Document<ItemList>)),
        ("policy_explanation", schema_for!(Document<PolicyExplanation>)),
        ("knowledge_evidence_pack", schema_for!(KnowledgeEvidencePack)),
        ("patch_bundle", schema_for!(PatchBundle)),
        ("policy", schema_for!(Document<PolicyReply>)),
        ("policy_check", schema_for!(Document<PolicyCheckReply>)),
        ("rebuild", schema_for!(Document<RebuildReply>)),
        ("replay", schema_for!(Document<ReplayReply>)),
        ("research_report", schema_for!(ResearchReport)),
        ("result", schema_for!(ResultDocument)),
        ("review_report", schema_for!(ReviewReport)),
        ("run", schema_for!(RunDocument)),
        ("run_page", schema_for!(Document<RunPage>)),
        ("service_files", schema_for!(Document<ServiceFilesReply>)),
        ("service_unit", schema_for!(Document<ServiceUnitReply>)),
        ("status", schema_for!(Document<StatusReply>)),
        ("verification", schema_for!(Document<VerificationReply>)),
        ("web_research_bundle", schema_for!(WebResearchBundle)),
        ("workspace", schema_for!(Document<Workspace>)),
        ("written", schema_for!(Document<WrittenReply>)),
    ]
}

/// What each command prints with `--json` when it succeeds, as the file name of its schema. Each prints one document, but
/// `bot watch`, which prints one event a line. A command that fails prints a `result`.
pub const PRINTED: [(&str, &str); 40] = [
    ("init", "workspace"),
    ("item add", "item"),
    ("item list", "item_list"),
    ("item show", "item"),
    ("item edit", "item"),
    ("item move", "item"),
    ("item hold", "item"),
    ("item intake", "item"),
    ("bot run", "result"),
    ("bot status", "status"),
    ("bot runs", "run_page"),
    ("bot show", "run"),
    ("bot watch", "event"),
    ("bot cancel", "result"),
    ("bot resume", "result"),
    ("approvals list", "approval_list"),
    ("approvals answer", "result"),
    ("diff", "patch_bundle"),
    ("capsule verify", "verification"),
    ("capsule events", "event_page"),
    ("capsule get", "artifact"),
    ("capsule replay", "replay"),
    ("capsule export", "export"),
    ("capsule import", "import"),
    ("capsule imports", "import_list"),
    ("capsule stats", "capsule_stats"),
    ("capsule backup", "capsule_copy"),
    ("capsule restore", "capsule_copy"),
    ("project rebuild", "rebuild"),
    ("policy show", "policy"),
    ("policy init", "written"),
    ("policy check", "policy_check"),
    ("policy explain", "policy_explanation"),
    ("service install", "service_files"),
    ("service uninstall", "service_files"),
    ("service start", "service_unit"),
    ("service stop", "service_unit"),
    ("service status", "status"),
    ("service doctor", "doctor"),
    ("man", "written"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_prints_has_a_published_schema() {
        let published: Vec<_> = schemas().into_iter().map(|(name, _)| name).collect();
        for (command, schema) in PRINTED {
            assert!(published.contains(&schema), "{command} prints {schema}, which is not published");
        }
    }
}
