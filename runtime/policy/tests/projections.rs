//! Where files for people stand: who may choose a folder of a tree, and which folders are none.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;

use windlass_domain::id::{ItemId, RunId, WorkspaceId};
use windlass_policy::{BadLayer, Layer, LayerKind, Policy, ProjectionPlaces, TreeFolder, standard};

const TREE: &str = "/src/parser";

fn layer(kind: LayerKind, said: &str) -> Layer {
    Layer::parse(kind, "policy.toml", &format!("version = 1\n{said}\n")).unwrap()
}

/// A user's layer that allows what `standard` allows, and says this too.
fn user(said: &str) -> Layer {
    let mut layer = layer(LayerKind::User, said);
    layer.file.rule = standard().file.rule;
    layer
}

fn policy(layers: Vec<Layer>) -> Policy {
    Policy::merge(layers, BTreeSet::new())
}

fn folder(policy: &Policy) -> Option<&str> {
    policy.tree_folder(TREE).map(TreeFolder::as_str)
}

#[test]
fn only_the_workspaces_layer_or_the_users_by_name_puts_files_into_a_tree() {
    let workspace = || layer(LayerKind::Workspace, "[projections]\nfolder = \"docs/specs\"");
    let by_name = || user("[projections.workspaces]\n\"/src/parser\" = \"notes\"\n\"/src/other\" = \"x\"");
    let never = || user("[projections]\nin_tree = false");
    let cases = [
        (vec![], None),
        (vec![workspace()], Some("docs/specs")),
        (vec![by_name()], Some("notes")),
        (vec![by_name(), workspace()], Some("notes")),
        (vec![never(), workspace()], None),
        (vec![workspace(), layer(LayerKind::Request, "[projections]\nin_tree = false")], None),
    ];
    for (layers, expect) in cases {
        assert_eq!(folder(&policy(layers.clone())), expect, "{layers:?}");
    }
}

#[test]
fn within_a_ceiling_both_must_choose_the_same_folder() {
    let chooses = |folder: &str| {
        policy(vec![layer(LayerKind::Workspace, &format!("[projections]\nfolder = \"{folder}\""))])
    };
    assert_eq!(folder(&chooses("docs").within(chooses("docs"))), Some("docs"));
    assert_eq!(folder(&chooses("docs").within(chooses("notes"))), None);
    assert_eq!(folder(&chooses("docs").within(policy(vec![]))), None);
}

#[test]
fn a_folder_that_leads_out_or_into_git_is_refused_with_its_place() {
    for bad in [
        "",
        "/etc",
        "..",
        "a/../b",
        "a//b",
        "./a",
        "docs/",
        ".git",
        "docs/.GIT/x",
        ".git.",
        "git~1",
        "a\\\\b",
        "c:x",
    ] {
        let text = format!("version = 1\n[projections]\nfolder = \"{bad}\"\n");
        let refused = Layer::parse(LayerKind::Workspace, "policy.toml", &text).unwrap_err();
        let BadLayer::Syntax { line, column, message, .. } = refused else { panic!("{bad}: {refused}") };
        assert_eq!((line, column), (3, 10), "{bad}");
        assert!(message.contains("is no folder for projections"), "{bad}: {message}");
    }
    assert!(TreeFolder::new("x".repeat(201)).is_err());
    assert!(TreeFolder::new("docs/.github/specs").is_ok());
}

#[test]
fn a_layer_that_may_not_choose_is_refused_with_the_place_and_the_way() {
    let cases = [
        (LayerKind::User, "folder = \"docs\"", "projections.workspaces"),
        (LayerKind::Request, "folder = \"docs\"", "projections.workspaces"),
        (LayerKind::Workspace, "workspaces = { \"/src\" = \"docs\" }", "folder ="),
    ];
    for (kind, said, way) in cases {
        let text = format!("version = 1\n\n[projections]\n{said}\n");
        let refused = Layer::parse(kind, "policy.toml", &text).unwrap_err();
        let BadLayer::Syntax { line, message, .. } = refused else { panic!("{kind}: {refused}") };
        assert_eq!(line, 4, "{kind}");
        assert!(message.contains(way), "{kind}: {message}");
    }
}

#[test]
fn a_place_is_named_by_item_and_run_and_in_a_tree_it_needs_leave_to_write() {
    let (item, run_id) = (ItemId::new("T-1").unwrap(), RunId::from_bytes([1; 16]));
    let places = ProjectionPlaces {
        state: "/state",
        tree: TREE,
        workspace_id: WorkspaceId::from_bytes([2; 16]),
        work_item_id: &item,
        run_id,
    };
    let own = policy(vec![]);
    let place = own.projection_place(&places);
    let below = format!("T-1/runs/{run_id}");
    assert_eq!(place.path(), format!("/state/projections/{}/{below}", places.workspace_id));
    assert_eq!(own.permit_projection(&place).unwrap().rule(), "built-in/own-projections");

    let workspace = || layer(LayerKind::Workspace, "[projections]\nfolder = \"docs\"");
    let allows = policy(vec![workspace()]);
    let place = allows.projection_place(&places);
    assert_eq!((place.path(), place.in_tree()), (format!("{TREE}/docs/{below}"), true));
    let permit = allows.permit_projection(&place).unwrap();
    assert_eq!((permit.rule(), permit.subject()), ("built-in/write-bot-worktrees", place.path().as_str()));
    for verdict in ["ask", "deny"] {
        let rule = format!(
            "[[rule]]\nid = \"no\"\ncapability = \"fs.write\"\nsubjects = [\"/src/*\"]\nverdict = \"{verdict}\""
        );
        let mut user = user(&rule);
        user.file.rule.extend(layer(LayerKind::User, &rule).file.rule);
        let refuses = policy(vec![user, workspace()]);
        let denied = refuses.permit_projection(&refuses.projection_place(&places)).unwrap_err();
        assert_eq!(denied.judgement.rule, "user/no", "{denied}");
    }
}
