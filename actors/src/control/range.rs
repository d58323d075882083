//! From what a request names to the commits that are compared.

use windlass_contract::error::{ErrorCode, Fault};
use windlass_domain::diff::ObjectId;
use windlass_git::{Head, Repository};

/// The commits that the request names.
pub(super) struct Range {
    /// To compare with; none for the whole tree.
    pub(super) base: Option<ObjectId>,
    /// To look at: a branch by its full name, so that its later movement is seen, or a commit.
    pub(super) head: String,
    pub(super) head_commit: ObjectId,
    /// The whole default branch is looked at, on its surface.
    pub(super) whole_tree: bool,
}

impl Range {
    /// The commit whose policy and checks are trusted.
    pub(super) const fn trusted(&self) -> &ObjectId {
        match &self.base {
            Some(base) => base,
            None => &self.head_commit,
        }
    }
}

/// Finds the commits that a request names, or those that it means without naming any.
///
/// # Errors
/// `bad_request` for a name that leads nowhere and for a branch without commits.
pub(super) fn resolve(
    repository: &Repository,
    base: Option<&str>,
    head: Option<&str>,
) -> Result<Range, Fault> {
    let look = repository.look();
    let bad = |error: &dyn std::error::Error| {
        Fault::new(ErrorCode::BadRequest, super::with_sources(error)).hint("git log --oneline --all")
    };
    let (head, head_commit) = match head {
        Some(named) => {
            let commit = look.resolve(named).map_err(|error| bad(&error))?;
            let branch = format!("refs/heads/{named}");
            let is_branch = look.resolve(&branch).is_ok_and(|tip| tip == commit);
            (if is_branch { branch } else { commit.to_string() }, commit)
        }
        None => match look.head().map_err(|error| bad(&error))? {
            Head::Branch { name, commit } => (format!("refs/heads/{name}"), commit),
            Head::Detached { commit } => (commit.to_string(), commit),
            Head::Unborn { branch } => {
                let text = format!("branch `{branch}` has no commit yet, so there is nothing to look at");
                return Err(Fault::new(ErrorCode::BadRequest, text).hint("git add -A && git commit"));
            }
        },
    };
    if let Some(named) = base {
        let base = Some(look.resolve(named).map_err(|error| bad(&error))?);
        return Ok(Range { base, head, head_commit, whole_tree: false });
    }
    let default = look.default_branch().map_err(|error| bad(&error))?;
    let base = match default {
        Some(default) if head != format!("refs/heads/{}", default.name) => {
            look.merge_base(&default.commit, &head_commit).map_err(|error| bad(&error))?
        }
        _ => None,
    };
    let base = base.filter(|base| *base != head_commit);
    Ok(Range { whole_tree: base.is_none(), base, head, head_commit })
}
